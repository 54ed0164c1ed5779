//! The command line of `xenwarden`.
//!
//! `xe`'s own grammar is in `xe::grammar`: its words are only gathered here.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use uuid::Uuid;

use crate::console::EscapeKey;
use crate::create::CreateArgs;
use crate::demo;
use crate::hook::HookArgs;

/// Where the agent listens unless it is told otherwise.
const AGENT_SOCKET: &str = "/run/xenwarden/agent.sock";

/// The variable that names another agent.
const AGENT_VARIABLE: &str = "XENWARDEN_AGENT";

/// Names, keys and values longer than this are refused before they are sent.
const NAME_MAX: usize = 256;

const TEMPLATE: &str = "\
{about}

  xenwarden demo                       try it: no Xen needed
  xenwarden list                       every VM and its console
  xenwarden console web01              see and use a text console; leave: Ctrl-]
  xenwarden audit                      prove that converters and store are confined
  xe vm-param-set uuid=UUID other-config:disable_pv_vnc=1

{usage-heading} {usage}

{all-args}

Exit: 0 good, 1 failed or something is wrong, 2 wrong usage.";

/// Consoles of Xen guests, served by confined programs.
#[derive(Debug, Parser)]
#[command(name = "xenwarden", version, help_template = TEMPLATE, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// The agent's socket [default: $XENWARDEN_AGENT, else /run/xenwarden/agent.sock]
    #[arg(long, value_name = "SOCKET", global = true)]
    agent: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say how the agent is; exit 1 if something is wrong
    Status {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// List every VM and its console
    List {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
        /// Show VMs with HideFromXenCenter=true as well
        #[arg(long)]
        all: bool,
    },
    /// Open a text console; a VM is a name, a uuid or a domid
    ///
    /// The last screen is shown first. Leave with Ctrl-] and then `.`, or with Ctrl-] and one
    /// second of silence; Ctrl-] ? lists the keys. When standard input is no terminal, it is sent
    /// as it is, output is printed until the console has been quiet for a second, or for five
    /// seconds at most, and that is all: echo reboot | xenwarden console web01
    Console {
        /// Name, uuid or domid
        vm: String,
        /// The key that leaves: `^]`, another control key, one character, or `none`
        #[arg(short, long, value_name = "CHAR", default_value = "^]")]
        escape: EscapeKey,
    },
    /// Look at every converter's confinement; exit 1 unless all of it holds
    ///
    /// Each property of each converter is looked at from outside, now. Exit 1 also when no
    /// converter runs: then nothing is proven.
    Audit {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Start a guest with xl, once its vm-data is written and its console is up
    ///
    /// Runs `xl create -p CONFIG`, waits for the agent, and unpauses the guest: xenwarden create
    /// web01.cfg, with xl's own options among them or after `--`. Without the agent's word the
    /// guest starts all the same, with a warning, and the exit code is 1.
    Create(CreateArgs),
    /// Show network interfaces' settings: wanted, active, and why; exit 1 where they differ
    ///
    /// Settings are keys of other-config: ethtool-rx, -tx, -sg, -tso, -ufo, -gso, -gro, -lro and
    /// -autoneg (on, true, off, false), -speed (Mb/s), -duplex (half, full), -advertise (0x...),
    /// promiscuous (on, true, off, false) and mtu. Set them so: xe vif-param-set uuid=UUID
    /// other-config:ethtool-tx=off
    Nic {
        /// A device, a uuid, or a VM's name
        device: Option<String>,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Be called by a toolstack when a VM's life changes
    ///
    /// Waits for the agent for a few seconds at most, logs to standard error, and exits 0 whatever
    /// comes of it, unless told to be strict.
    Hook(HookArgs),
    /// Make a record of a VM that hasn't run yet, and print its uuid
    Register {
        /// The VM's name
        #[arg(value_parser = parse_name)]
        name: String,
        /// The VM's uuid [default: a new one]
        uuid: Option<Uuid>,
    },
    /// Delete the record and the kept screen of a VM that is halted
    Forget {
        /// Name or uuid
        vm: String,
    },
    /// Run a command of the Management API's command line: xenwarden xe help
    #[command(disable_help_flag = true)]
    Xe {
        /// The command and its parameters
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Run simulated guests behind our own store and agent, until Ctrl-C
    Demo(DemoArgs),
    /// Draw for ever: demo2's program
    #[command(hide = true)]
    DemoDrawing,
    /// Become a simulated guest: run a program with a world of its own
    #[command(hide = true)]
    DemoGuest(demo::GuestArgs),
}

/// What a demo is like.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where it keeps its files, which stay [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Where the network front listens [default: 127.0.0.1:8443, or the next free port]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) api: Option<SocketAddr>,
    /// How many guests
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(demo::DOMAINS_MAX)))]
    pub(crate) domains: u16,
    /// What demo1 runs, by /bin/sh [default: a shell]; as an unprivileged user, as every guest's
    #[arg(long, value_name = "CMD")]
    pub(crate) command: Option<String>,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
}

impl Args {
    /// The agent's socket.
    pub(crate) fn agent(&self) -> PathBuf {
        agent_socket(self.agent.clone())
    }
}

/// The agent's socket: as named on the command line, else by the environment, else the usual one.
pub(crate) fn agent_socket(named: Option<PathBuf>) -> PathBuf {
    let variable = || std::env::var_os(AGENT_VARIABLE).filter(|value| !value.is_empty());
    named.or_else(|| variable().map(PathBuf::from)).unwrap_or_else(|| AGENT_SOCKET.into())
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a VM's name has at least one character".to_owned());
    }
    if text.len() > NAME_MAX {
        return Err(format!("a VM's name has at most {NAME_MAX} bytes"));
    }
    Ok(text.to_owned())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no address of that name".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_is_one_screen_with_examples_first() {
        let help = Args::command().render_help().to_string();
        assert!(help.lines().count() <= 40, "{help}");
        let line = |word: &str| help.lines().position(|line| line.contains(word));
        assert!(line("xenwarden demo ") < line("Usage:"), "{help}");
        assert!(!help.contains("demo-drawing"), "{help}");
    }

    #[test]
    fn the_agent_may_be_named_before_or_after_the_command() {
        for line in
            ["xenwarden --agent /s list", "xenwarden list --agent /s", "xenwarden list --agent=/s"]
        {
            assert_eq!(parse(line).expect("a command line").agent(), PathBuf::from("/s"), "{line}");
        }
    }

    #[test]
    fn words_for_xe_are_left_alone() {
        let args = parse("xenwarden xe --minimal vm-list params=uuid -s localhost --help");
        match args.expect("a command line").command {
            Command::Xe { words } => {
                assert_eq!(
                    words,
                    ["--minimal", "vm-list", "params=uuid", "-s", "localhost", "--help"]
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_demo_takes_its_options_and_refuses_nonsense() {
        let line = "xenwarden demo --dir /tmp/d --api 127.0.0.1:9000 --domains 5 --for 10";
        match parse(line).expect("a command line").command {
            Command::Demo(demo) => {
                assert_eq!((demo.domains, demo.seconds), (5, Some(10)));
                assert_eq!(demo.api, Some(SocketAddr::from(([127, 0, 0, 1], 9000))));
            }
            other => panic!("{other:?}"),
        }
        for wrong in ["--domains 0", "--domains 100000", "--api nowhere", "--for soon"] {
            let error = parse(&format!("xenwarden demo {wrong}")).expect_err(wrong);
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_name_has_bounds() {
        assert!(parse_name("").is_err());
        assert!(parse_name(&"x".repeat(NAME_MAX)).is_ok());
        assert!(parse_name(&"x".repeat(NAME_MAX + 1)).is_err());
    }
}
