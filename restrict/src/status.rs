//! The fields of `/proc/<pid>/status`, and the few other lines of `/proc` that are read as text.
//!
//! Text in, values out; the files are opened elsewhere.

/// The value of `field` in the text of a status file, without the blanks around it.
pub(crate) fn field<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim()))
}

/// The numbers of `field`, such as the four of `Uid`; none where one is not a number.
pub(crate) fn numbers(text: &str, name: &str) -> Option<Vec<u32>> {
    field(text, name)?.split_whitespace().map(|number| number.parse().ok()).collect()
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)).
///
/// The second field is the process's own choice of name and may hold blanks and parentheses: what
/// counts begins after the last one.
pub(crate) fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()
}

/// The one-letter state of a process: field 3 of `/proc/<pid>/stat`.
pub(crate) fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether a process has begun to end and gives up one thing after another: `PF_EXITING`
/// (linux/sched.h) of field 9 of `/proc/<pid>/stat`.
pub(crate) fn is_exiting(stat: &str) -> bool {
    const PF_EXITING: u32 = 0x4;
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest);
    let flags = rest.and_then(|rest| rest.split_whitespace().nth(9 - 3)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

/// The soft and the hard limit that `/proc/<pid>/limits` gives under `name`; none is `unlimited`.
pub(crate) fn limit<'a>(limits: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut values = limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
    Some((values.next()?, values.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tvnc\nUid:\t7\t7\t7\t7\nGroups:\t \nThreads:\t1\nNSpid:\t9\t1\n";

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        assert_eq!(field(STATUS, "Threads"), Some("1"));
        assert_eq!(field(STATUS, "Groups"), Some(""));
        assert_eq!(field(STATUS, "Thread"), None);
        assert_eq!(numbers(STATUS, "Uid"), Some(vec![7; 4]));
        assert_eq!(numbers(STATUS, "Name"), None);
    }

    #[test]
    fn a_process_cannot_name_itself_into_another_start_time() {
        let stat = "9 (a) S 1 2) R 1 9 9 0 -1 4 10 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(state(stat), Some('R'));
        assert_eq!(start_time("9 (a) S 1"), None);
    }

    #[test]
    fn a_process_that_ends_says_so() {
        assert!(is_exiting("9 (a) R 1 9 9 0 -1 4194564 10"));
        assert!(!is_exiting("9 (a) R 1 9 9 0 -1 4194560 10"));
        assert!(!is_exiting("9 (a) R"));
    }

    #[test]
    fn limits_are_read_by_name() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            64                   128                  files     \n\
                      Max processes             0                    unlimited            processes \n";
        assert_eq!(limit(limits, "Max open files"), Some(("64", "128")));
        assert_eq!(limit(limits, "Max processes"), Some(("0", "unlimited")));
        assert_eq!(limit(limits, "Max core file size"), None);
    }
}
