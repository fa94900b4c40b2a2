# Each atomic operation has one `// ORDERING:` comment, between it and the operation before.
# Prints what breaks that, and then fails.

function complain(line, what) {
    printf "%s:%d: %s\n", file, line, what
    wrong = 1
}

FNR == 1 {
    if (comment) complain(comment, "an ORDERING comment without an operation")
    file = FILENAME
    comment = 0
}

/^[[:space:]]*\/\/ ORDERING:/ {
    if (comment) complain(comment, "an ORDERING comment without an operation")
    comment = FNR
    next
}

/^[[:space:]]*\/\// { next }

/\.(load|store|swap|fetch_[a-z_]+|compare_exchange(_weak)?)\(|both\(Ordering::/ {
    operations++
    if (!comment) complain(FNR, "an atomic operation without an ORDERING comment")
    comment = 0
}

END {
    if (comment) complain(comment, "an ORDERING comment without an operation")
    if (!operations) {
        print "no atomic operation was found"
        wrong = 1
    }
    exit wrong
}
