//! A peer under measurement: xterm in TigerVNC's X server, which together serve what a converter does.
//!
//! Its guest is this program again, run in the terminal: it prints or echoes as it is told through
//! a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::Failure;
use crate::absorb::payloads;
use crate::viewer::Viewer;

/// The peer is up by then, or the bench goes without it.
const START_MAX: Duration = Duration::from_secs(20);

/// The X server's display and RFB port: away from what people use.
const DISPLAY: &str = ":790";
pub(crate) const PORT: u16 = 6690;

/// The argument with which this program is the guest.
pub(crate) const GUEST: &str = "--guest";

/// The running pair.
#[derive(Debug)]
pub(crate) struct Peer {
    server: Child,
    terminal: Child,
    folder: PathBuf,
    guest: BufReader<UnixStream>,
}

impl Peer {
    /// Starts both, if they are installed.
    pub(crate) fn start() -> Result<Option<Self>, Failure> {
        let installed = |name: &str| Path::new("/usr/bin").join(name).exists();
        if !installed("Xtigervnc") || !installed("xterm") {
            println!("(no Xtigervnc or no xterm: the peer is left out)");
            return Ok(None);
        }
        let folder = std::env::temp_dir().join(format!("xenwarden-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let socket = folder.join("guest");
        let listener = UnixListener::bind(&socket)?;
        let mut server = quiet("Xtigervnc")
            .arg(DISPLAY)
            .args(["-rfbport", &PORT.to_string(), "-SecurityTypes", "None", "-localhost"])
            .args(["-geometry", "484x316", "-depth", "24"])
            .spawn()?;
        let began = Instant::now();
        while !Viewer::answers(PORT) {
            if began.elapsed() > START_MAX {
                server.kill()?;
                return Err("the peer's X server does not come up".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let terminal = quiet("xterm")
            .env("DISPLAY", DISPLAY)
            .args(["-geometry", "80x24+0+0", "-sl", "0", "+sb", "-e"])
            .arg(std::env::current_exe()?)
            .arg(GUEST)
            .arg(&socket)
            .spawn()?;
        let (guest, _) = listener.accept()?;
        Ok(Some(Self { server, terminal, folder, guest: BufReader::new(guest) }))
    }

    /// The processes that serve.
    pub(crate) fn pids(&self) -> Result<[i32; 2], Failure> {
        Ok([i32::try_from(self.server.id())?, i32::try_from(self.terminal.id())?])
    }

    /// Lets the guest print a payload; gives how long it took to be absorbed.
    pub(crate) fn absorb(&mut self, payload: usize, bytes: usize) -> Result<Duration, Failure> {
        writeln!(self.guest.get_mut(), "print {payload} {bytes}")?;
        let mut answer = String::new();
        self.guest.read_line(&mut answer)?;
        Ok(Duration::from_micros(answer.trim().parse()?))
    }

    /// Lets the guest echo what is typed from now on.
    pub(crate) fn echo(&mut self) -> Result<(), Failure> {
        writeln!(self.guest.get_mut(), "echo")?;
        let mut answer = String::new();
        self.guest.read_line(&mut answer)?;
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for child in [&mut self.terminal, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What the guest does: orders come through the socket, its terminal is its standard input and
/// output.
pub(crate) fn be_guest(socket: &Path) -> Result<(), Failure> {
    let orders = UnixStream::connect(socket)?;
    let mut answers = orders.try_clone()?;
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut settings = tcgetattr(&stdin)?;
    cfmakeraw(&mut settings);
    tcsetattr(&stdin, SetArg::TCSANOW, &settings)?;
    for order in BufReader::new(orders).lines() {
        let order = order?;
        let mut words = order.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("print"), Some(payload), Some(bytes)) => {
                let (_, payload) = payloads().swap_remove(payload.parse()?);
                let payload = payload.get(..bytes.parse()?).unwrap_or(&payload);
                let began = Instant::now();
                stdout.write_all(payload)?;
                stdout.write_all(b"\x1b[0m\x1b[6n")?;
                stdout.flush()?;
                let mut byte = [0];
                while byte != *b"R" {
                    stdin.read_exact(&mut byte)?;
                }
                writeln!(answers, "{}", began.elapsed().as_micros())?;
            }
            _ => {
                stdout.write_all(b"\x1b[2J\x1b[H")?;
                stdout.flush()?;
                writeln!(answers, "ready")?;
                let mut byte = [0];
                while stdin.read(&mut byte)? > 0 {
                    stdout.write_all(&byte)?;
                    stdout.flush()?;
                }
            }
        }
    }
    Ok(())
}
