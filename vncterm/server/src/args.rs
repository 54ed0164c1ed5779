//! The command line: XenServer vncterm's options, and the agent's way to start a converter.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use lexopt::prelude::*;
use vncterm_control::Start;
use vncterm_screen::{COLUMNS_MAX, COLUMNS_MIN, ROWS_MAX, ROWS_MIN};

/// Title of a stand-alone console, as XenServer's vncterm names it.
const TITLE: &str = "XenServer Virtual Terminal";

/// What `--help` prints.
pub(crate) const HELP: &str = "\
vncterm: serves a text console as a VNC screen, confined

  vncterm -c                             a shell, on 127.0.0.1:5900
  vncterm -c -T -v 127.0.0.1:3 top       `top`, on port 5903, plain text on 9503
  vncterm -p /dev/pts/4                  an existing terminal
  vncterm -x /local/domain/7/console -T  a Xen guest's console, ports published in xenstore

  -c, --cmd              run the COMMAND that follows the options (default /bin/bash)
  -p, --pty PTY          serve an existing pty
  -x, --xenstore PATH    publish PATH/vnc-port (and PATH/tc-port); without -c and -p, serve
                         the pty that PATH/tty names, once it is there
  -v, --vnclisten A[:N]  loopback address and display number: port 5900+N, or the next free one
  -T, --text             plain text as well, on port 9500+N, or the next free one
  -r, --restart          run the command again when it ends
  -s, --stay             go on showing the last screen when the command or the pty ends
  -l, --loadstate FILE   begin with the screen saved in FILE
  -t, --title TITLE      the desktop name that viewers see
      --size CxR         columns and rows of the screen, up to 512x256 (default 80x24)
      --resize           let viewers ask for another size
      --uid UID          the unprivileged user and group id to take
                         (default 1879113728+N, where 5900+N is the port that it got)
  -h, --help             print this
  -V, --version          print the version

It starts as root, opens what it needs, and serves from a process of its own that has no
privilege, an empty root, no network and a system call filter. SIGTERM ends it.
SIGUSR1 saves the screen in /var/xen/vncterm/PID/vncterm.statefile.
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// A converter that the agent started, with its descriptors in place.
    Converter(Start),
    /// A console of its own.
    StandAlone(StandAlone),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// A console without an agent.
#[derive(Debug, PartialEq)]
pub(crate) struct StandAlone {
    /// Where the bytes come from.
    pub(crate) source: Source,
    /// The xenstore directory to publish ports in.
    pub(crate) xenstore: Option<String>,
    /// The loopback address to listen on.
    pub(crate) address: Ipv4Addr,
    /// The first display number to try.
    pub(crate) display: u16,
    /// Whether to serve plain text too.
    pub(crate) text: bool,
    /// A saved screen to begin with.
    pub(crate) load: Option<PathBuf>,
    /// The desktop name.
    pub(crate) title: String,
    /// What happens when the command or the pty ends.
    pub(crate) afterwards: Afterwards,
    /// Columns and rows of the screen.
    pub(crate) size: (u16, u16),
    /// Whether viewers may ask for another size.
    pub(crate) resize: bool,
    /// The user and group id to take, unless it goes with the port.
    pub(crate) uid: Option<u32>,
}

/// What becomes of a stand-alone console when what it shows has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It ends too.
    End,
    /// It shows the last screen until it is told to end.
    Stay,
    /// The command runs again.
    Restart,
}

/// Where a stand-alone console's bytes come from.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    /// A command on a pty of its own.
    Command(Vec<OsString>),
    /// An existing pty.
    Pty(PathBuf),
    /// The pty that the xenstore directory names.
    Xenstore,
}

/// A wrong command line, as one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Request, Usage> {
    if arguments.first().is_some_and(|first| first == "--converter") {
        let rest: Option<Vec<&str>> = arguments.iter().skip(1).map(|a| a.to_str()).collect();
        let start = Start::parse(rest.unwrap_or_default());
        return start.map(Request::Converter).map_err(|error| Usage(error.to_string()));
    }
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command = false;
    let mut words: Vec<OsString> = Vec::new();
    let (mut pty, mut xenstore, mut load, mut uid) = (None, None, None, None);
    let (mut address, mut display, mut text) = (Ipv4Addr::LOCALHOST, 0, false);
    let mut title = TITLE.to_owned();
    let (mut restart, mut stay) = (false, false);
    let (mut size, mut resize) = (SIZE, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Request::Help),
            Short('V') | Long("version") => return Ok(Request::Version),
            Short('c') | Long("cmd") => command = true,
            Short('p') | Long("pty") => pty = Some(PathBuf::from(parser.value()?)),
            Short('x') | Long("xenstore") => xenstore = Some(parser.value()?.string()?),
            Short('v') | Long("vnclisten") => {
                (address, display) = parse_listen(&parser.value()?.string()?)?;
            }
            Short('T') | Long("text") => text = true,
            Short('r') | Long("restart") => restart = true,
            Short('s') | Long("stay") => stay = true,
            Long("size") => size = parse_size(&parser.value()?.string()?)?,
            Long("resize") => resize = true,
            Short('l') | Long("loadstate") => load = Some(PathBuf::from(parser.value()?)),
            Short('t') | Long("title") => title = parser.value()?.string()?,
            Long("uid") => uid = Some(parser.value()?.parse()?),
            Value(first) => {
                // As with XenServer's vncterm, the command's own options follow it.
                words.push(first);
                words.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !command && let Some(word) = words.first() {
        return Err(Usage(format!("argument {word:?} without -c: a command needs -c before it")));
    }
    let source = match (command, pty, &xenstore) {
        (true, Some(_), _) => return Err(Usage("-c and -p exclude each other".into())),
        (true, None, _) if words.is_empty() => Source::Command(vec!["/bin/bash".into()]),
        (true, None, _) => Source::Command(words),
        (false, Some(pty), _) => Source::Pty(pty),
        (false, None, Some(_)) => Source::Xenstore,
        (false, None, None) => return Err(Usage("nothing to serve: give -c, -p or -x".into())),
    };
    let afterwards = match (restart, stay, &source) {
        (true, _, Source::Pty(_) | Source::Xenstore) => {
            return Err(Usage("-r without -c: only a command is run again".into()));
        }
        // A command that runs again leaves nothing to stay for.
        (true, _, Source::Command(_)) => Afterwards::Restart,
        (false, true, _) => Afterwards::Stay,
        (false, false, _) => Afterwards::End,
    };
    Ok(Request::StandAlone(StandAlone {
        source,
        xenstore,
        address,
        display,
        text,
        load,
        title,
        afterwards,
        size,
        resize,
        uid,
    }))
}

/// `A[:N]`: only a loopback address is taken, whatever a packet filter would do about others.
fn parse_listen(text: &str) -> Result<(Ipv4Addr, u16), Usage> {
    let (address, display) = text.split_once(':').unwrap_or((text, "0"));
    let wrong = |why: &str| Usage(format!("-v {text:?}: {why}"));
    let address: Ipv4Addr = address.parse().map_err(|_| wrong("not an IPv4 address"))?;
    if !address.is_loopback() {
        return Err(wrong("not a loopback address; consoles are never served beyond this host"));
    }
    let display: u16 = display.parse().map_err(|_| wrong("not a display number"))?;
    if display > DISPLAY_MAX {
        return Err(wrong("display number above 5000"));
    }
    Ok((address, display))
}

/// `CxR`, within what a screen can be.
fn parse_size(text: &str) -> Result<(u16, u16), Usage> {
    let numbers = text.split_once('x').and_then(|(columns, rows)| {
        Some((columns.parse::<u16>().ok()?, rows.parse::<u16>().ok()?))
    });
    let fits = |(columns, rows): (u16, u16)| {
        (COLUMNS_MIN..=COLUMNS_MAX).contains(&columns.into())
            && (ROWS_MIN..=ROWS_MAX).contains(&rows.into())
    };
    match numbers {
        Some(size) if fits(size) => Ok(size),
        Some(_) => Err(Usage(format!(
            "--size {text:?}: from {COLUMNS_MIN}x{ROWS_MIN} to {COLUMNS_MAX}x{ROWS_MAX}"
        ))),
        None => Err(Usage(format!("--size {text:?}: not columns x rows, such as 100x30"))),
    }
}

/// Columns and rows of a screen unless it is said otherwise.
const SIZE: (u16, u16) = (80, 24);

/// The largest display number: text ports begin at 9500, and both stay below the ephemeral ones.
const DISPLAY_MAX: u16 = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    fn stand_alone(words: &[&str]) -> StandAlone {
        match parse(words.iter().map(OsString::from).collect()) {
            Ok(Request::StandAlone(stand_alone)) => stand_alone,
            other => panic!("{other:?}"),
        }
    }

    fn refused(words: &[&str]) -> String {
        match parse(words.iter().map(OsString::from).collect()) {
            Err(usage) => usage.to_string(),
            Ok(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn takes_the_line_that_xenopsd_starts_a_guests_console_with() {
        let asked = stand_alone(&["-x", "/local/domain/7/console", "-T", "-v", "127.0.0.1:1"]);
        assert_eq!(asked.source, Source::Xenstore);
        assert_eq!(asked.xenstore.as_deref(), Some("/local/domain/7/console"));
        assert!(asked.text);
        assert_eq!((asked.address, asked.display), (Ipv4Addr::LOCALHOST, 1));
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let asked = stand_alone(&["-v", "127.0.0.1:2", "-T", "-c", "ls", "-l", "-T"]);
        assert_eq!(asked.source, Source::Command(vec!["ls".into(), "-l".into(), "-T".into()]));
        assert_eq!(stand_alone(&["-c"]).source, Source::Command(vec!["/bin/bash".into()]));
    }

    #[test]
    fn takes_what_xenservers_service_starts_the_hosts_console_with() {
        let asked = stand_alone(&["-r", "-T", "-v", "127.0.0.1:1", "-c", "/bin/login"]);
        assert_eq!(asked.afterwards, Afterwards::Restart);
        assert_eq!(stand_alone(&["-s", "-p", "/dev/pts/1"]).afterwards, Afterwards::Stay);
        assert_eq!(stand_alone(&["-c"]).afterwards, Afterwards::End);
        assert!(refused(&["-r", "-p", "/dev/pts/1"]).contains("-r without -c"));
    }

    #[test]
    fn takes_a_size_within_what_a_screen_can_be() {
        let asked = stand_alone(&["--size", "132x50", "--resize", "-c"]);
        assert_eq!((asked.size, asked.resize), ((132, 50), true));
        let asked = stand_alone(&["-c"]);
        assert_eq!((asked.size, asked.resize), ((80, 24), false));
        for wrong in ["80", "80x", "x24", "1x24", "513x24", "80x0", "80x257", "-1x5", "80x24x1"] {
            assert!(refused(&["--size", wrong, "-c"]).contains("--size"), "{wrong}");
        }
    }

    #[test]
    fn refuses_to_listen_beyond_this_host() {
        assert!(refused(&["-c", "-v", "0.0.0.0:1"]).contains("loopback"));
        assert!(refused(&["-c", "-v", "10.0.0.1"]).contains("loopback"));
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(refused(&[]).contains("nothing to serve"));
        assert!(refused(&["-c", "-p", "/dev/pts/1"]).contains("exclude"));
        assert!(refused(&["ls"]).contains("without -c"));
        assert!(refused(&["-c", "-v", "localhost"]).contains("IPv4"));
        assert!(refused(&["-c", "-v", "127.0.0.1:9999"]).contains("5000"));
        assert!(refused(&["--frobnicate"]).contains("frobnicate"));
    }
}
