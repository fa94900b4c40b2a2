//! What must build and what must not.

#[test]
fn every_form_of_work_builds_and_misuse_does_not() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/work_forms.rs");
    cases.compile_fail("tests/ui/fail_*.rs");
}
