//! A converter started as the agent starts one: descriptors in, attested by its own report, told to go.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, getsockname,
    listen, recv, send, socket,
};
use nix::unistd::pipe2;
use restrict::{Child, Program, Uid};
use vncterm_control::{Answer, Order, PACKET_MAX, Report, Start, VERSION};
use vncterm_launch::Handed;

use crate::Failure;
use crate::converter::program;
use crate::terminal::Terminal;

/// User ids of these converters, behind those of the others of the bench.
const UID_FIRST: u32 = 1_900_001_000;

/// A converter is confined by then, or the bench fails.
const CONFINED_MAX: Duration = Duration::from_secs(10);

/// What all converters share.
#[derive(Debug)]
pub(crate) struct Launcher {
    program: Program,
    network: OwnedFd,
}

/// A converter that serves, and what an agent holds of it.
#[derive(Debug)]
pub(crate) struct Launched {
    child: Child,
    _control: OwnedFd,
    _log: OwnedFd,
    pub(crate) terminal: Terminal,
    /// From its launch until it was confined and serving.
    pub(crate) took: Duration,
}

impl Launcher {
    /// Opens the program once, and makes the empty network.
    pub(crate) fn new() -> Result<Self, Failure> {
        restrict::become_subreaper()?;
        Ok(Self { program: Program::open(&program()?)?, network: restrict::empty_network()? })
    }

    /// Starts the `index`th converter.
    pub(crate) fn launch(&self, index: u16) -> Result<Launched, Failure> {
        let terminal = Terminal::open()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (control, address) = control_listener()?;
        let (log, stderr) = pipe2(OFlag::O_CLOEXEC)?;
        let start = Start {
            uuid: [0; 16],
            uid: UID_FIRST + u32::from(index),
            title: format!("bench{index}"),
            columns: 80,
            rows: 24,
            resize: false,
            orphan_s: 0,
            tty_wait_s: 0,
            rfb: true,
            text: false,
            lock: false,
            pty: false,
        };
        let plan = vncterm_launch::plan(&start, Uid::new(start.uid)?)?;
        let handed = Handed {
            tty: terminal.slave_for_converter()?,
            rfb_listener: Some(listener.into()),
            text_listener: None,
            control,
            screen: tempfile::tempfile()?.into(),
            lock: None,
            network: self.network.try_clone()?,
        };
        let began = Instant::now();
        let name = "vncterm";
        let launching = vncterm_launch::start(&self.program, name, &start, &plan, handed, stderr)?;
        let child = launching.wait(CONFINED_MAX)?;
        let control = control_socket(SockFlag::empty())?;
        connect(control.as_raw_fd(), &address)?;
        hear(&control, &Answer::Confined(VERSION))?;
        let go = Order::Go(String::new()).encode(1);
        send(control.as_raw_fd(), &go, MsgFlags::MSG_NOSIGNAL)?;
        hear(&control, &Answer::To(1, Report::Done))?;
        Ok(Launched { child, _control: control, _log: log, terminal, took: began.elapsed() })
    }
}

impl Launched {
    pub(crate) fn pid(&self) -> i32 {
        self.child.pid()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // What can't be killed or reaped is gone already.
        let _ = self.child.kill();
    }
}

fn hear(control: &OwnedFd, expected: &Answer) -> Result<(), Failure> {
    let mut packet = vec![0; PACKET_MAX];
    let length = recv(control.as_raw_fd(), &mut packet, MsgFlags::empty())?;
    let answer = Answer::decode(packet.get(..length).unwrap_or_default())?;
    if &answer == expected { Ok(()) } else { Err(format!("the converter says {answer:?}").into()) }
}

fn control_listener() -> Result<(OwnedFd, UnixAddr), Failure> {
    let listener = control_socket(SockFlag::SOCK_NONBLOCK)?;
    bind(listener.as_raw_fd(), &UnixAddr::new_unnamed())?;
    listen(&listener, Backlog::new(1)?)?;
    let address = getsockname(listener.as_raw_fd())?;
    Ok((listener, address))
}

fn control_socket(flags: SockFlag) -> Result<OwnedFd, Failure> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}
