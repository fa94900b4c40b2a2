use super::line::InLine;
use super::seal::Seal;

#[test]
fn a_line_counts_who_stands_in_it() {
    let line = InLine::default();
    assert_eq!((line.len(), line.somebody_waits()), (0, false));
    line.join();
    line.join();
    assert_eq!((line.len(), line.somebody_waits()), (2, true));
    line.leave();
    assert_eq!((line.len(), line.somebody_waits()), (1, true));
    line.leave();
    assert_eq!((line.len(), line.somebody_waits()), (0, false));
}

#[test]
fn a_seal_is_set_for_good() {
    let seal = Seal::default();
    assert!(!seal.is_set());
    seal.set();
    assert!(seal.is_set());
    seal.set();
    assert!(seal.is_set());
}
