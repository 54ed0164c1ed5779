//! Control characters.

use super::*;

#[test]
fn lf_vt_and_ff_go_down() {
    assert_eq!(cursor("ab\n"), (2, 3));
    assert_eq!(cursor("ab\x0b\x0c"), (3, 3));
    assert_eq!(cursor("\x1b[20hab\n"), (2, 1));
}

#[test]
fn bel_rings_once() {
    let mut screen = screen("\x07\x07");
    assert!(screen.take_bell());
    assert!(!screen.take_bell());
}

#[test]
fn so_si_and_single_shifts_choose_the_set() {
    assert_eq!(rows("\x1b)0a\x0eqx\x0fq"), "a─│q");
    assert_eq!(rows("\x1b(0lqk\x1b(B"), "┌─┐");
    assert_eq!(rows("\x1b*0q\x1bNqq"), "q─q");
    assert_eq!(rows("\x1b+0q\x1bOqq"), "q─q");
    assert_eq!(rows("\x1b(A#\x1b(B#"), "£#");
}

#[test]
fn tabs_stop_at_every_eighth_column_and_at_the_edge() {
    assert_eq!(cursor("\t"), (1, 9));
    assert_eq!(cursor("\t\t"), (1, 10));
    assert_eq!(cursor("\x1b[1;4H\x1bH\r\t"), (1, 4));
    assert_eq!(cursor("\x1b[3g\t"), (1, 10));
    assert_eq!(cursor("\x1b[1;9H\x1b[g\r\t"), (1, 10));
    assert_eq!(cursor("\x1b[1;4H\x1bH\r\x1b[2I"), (1, 9));
    assert_eq!(cursor("\x1b[1;10H\x1b[Z"), (1, 9));
    assert_eq!(cursor("\x1b[1;10H\x1b[9999Z"), (1, 1));
    assert_eq!(cursor("\x1b[9999I"), (1, 10));
    assert_eq!(cursor("\x1b[3g\x1b[?5W\t"), (1, 9));
}
