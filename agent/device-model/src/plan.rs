//! From what libxl asks to what is executed: which part QEMU has, and what is added to its words.
//!
//! Nothing is done here, and no file is looked at.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use restrict::{Part, PolicyError, Uid, UidRange, Wrap};

use crate::command_line::{CommandLine, Machine, OwnConfinement};

/// What QEMU gets of the environment: what libxl and a person who asks for SDL set, and no more.
/// Its linker, its allocator and its C library would listen to others.
const ENVIRONMENT_PREFIXES: [&str; 2] = ["XEN_", "QEMU_"];
const ENVIRONMENT_NAMES: [&str; 3] = ["DISPLAY", "XAUTHORITY", "PATH"];

/// What this host has settled about device models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The user ids that they run under.
    pub(crate) uids: UidRange,
    /// Where their root is mounted, each in a namespace of its own.
    pub(crate) root: PathBuf,
    /// QEMU, if it is not to be found where distributions have it.
    pub(crate) program: Option<PathBuf>,
}

/// What is to be executed, and how confined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Its confinement.
    pub(crate) wrap: Wrap,
    /// Whom it becomes, where that is ours to say.
    pub(crate) user: Option<Uid>,
    /// Its words.
    pub(crate) arguments: Vec<OsString>,
    /// What a person should know about it, if anything.
    pub(crate) remark: Option<String>,
}

/// A device model that is not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("-runas, -chroot and -xen-domid-restrict belong together, and some are missing")]
    HalfConfined,
    #[error(
        "dm_restrict is not for PV guests: their QEMU opens Xen's devices late; leave it out, and \
         it is confined from here"
    )]
    RestrictedBackend,
    /// Seen with Xen 4.17: libxl gives up after a minute, with "startup timed out".
    #[error(
        "a restricted QEMU can't write to the store that it has taken up a saved state, which libxl \
         waits for: an HVM guest is restored without device_model_override"
    )]
    Restored,
    #[error("no user id for the domain")]
    NoUser,
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Plan {
    /// Decides for one command line.
    pub(crate) fn of(
        line: &CommandLine,
        words: &[OsString],
        settings: &Settings,
    ) -> Result<Self, PlanError> {
        let root = settings.root.clone();
        let uid = || settings.uids.uid(line.guest.domid()).ok_or(PlanError::NoUser);
        let (part, user) = match (line.machine, line.own_confinement) {
            (_, OwnConfinement::Part) => return Err(PlanError::HalfConfined),
            (Machine::Pv, OwnConfinement::Whole) => return Err(PlanError::RestrictedBackend),
            (Machine::Hvm, OwnConfinement::Whole) => (Part::ToolstacksMachine, None),
            (Machine::Hvm, OwnConfinement::None) if line.is_restored => {
                return Err(PlanError::Restored);
            }
            (Machine::Hvm, OwnConfinement::None) => {
                let uid = uid()?;
                (Part::Machine { uid, root }, Some(uid))
            }
            (Machine::Pv, OwnConfinement::None) if shows_a_screen(line) => {
                let uid = uid()?;
                (Part::Framebuffer { uid, root }, Some(uid))
            }
            (Machine::Pv, OwnConfinement::None) => (Part::Backends, None),
        };
        let mut arguments = words.to_vec();
        arguments.extend(additions(&part));
        let wrap = Wrap::device_model(&part, line.writes_disks, line.attaches_taps)?;
        Ok(Self { wrap, user, arguments, remark: remark(line, &part) })
    }
}

/// libxl says `-vnc none` where there is none.
fn shows_a_screen(line: &CommandLine) -> bool {
    line.vnc.as_deref().is_some_and(|vnc| vnc.split(',').next() != Some("none"))
}

fn additions(part: &Part) -> Vec<OsString> {
    let drop_to = |root: &Path, uid: &Uid| {
        let user = format!("{uid}:{uid}");
        vec!["-chroot".into(), root.into(), "-runas".into(), user.into()]
    };
    match part {
        Part::Machine { uid, root } => {
            let mut added = vec!["-xen-domid-restrict".into()];
            added.extend(drop_to(root, uid));
            added
        }
        // Restricted, it could neither follow its devices in the store nor map what it shows.
        Part::Framebuffer { uid, root } => drop_to(root, uid),
        Part::ToolstacksMachine | Part::Backends => Vec::new(),
    }
}

fn remark(line: &CommandLine, part: &Part) -> Option<String> {
    let guest = line.guest;
    if matches!(part, Part::Backends) {
        return Some(format!(
            "domain {guest}: its QEMU serves disks, which it opens late and by name: it stays root, in \
             the host's root"
        ));
    }
    let vnc = line.vnc.as_deref().filter(|_| shows_a_screen(line))?;
    let loopback = ["127.", "localhost:", "[::1]:", "unix:"];
    if loopback.iter().any(|beginning| vnc.starts_with(beginning)) {
        return None;
    }
    Some(format!("domain {guest}: its VNC is not at a loopback address: {}", vnc.escape_default()))
}

/// What of the environment is for QEMU.
pub(crate) fn environment(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let is_for_qemu = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            ENVIRONMENT_NAMES.contains(&name)
                || ENVIRONMENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
    };
    all.filter(|(name, _)| is_for_qemu(name)).collect()
}

#[cfg(test)]
mod tests {
    use restrict::{Capability, Limit};

    use super::*;

    /// Far from every range that a host or another test uses.
    const BASE: u32 = 2_050_000_000;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn plan(text: &str) -> Result<Plan, PlanError> {
        let settings = Settings {
            uids: UidRange::new(BASE).unwrap(),
            root: "/run/xenwarden/device-model".into(),
            program: None,
        };
        let words = words(text);
        Plan::of(&CommandLine::parse(&words).unwrap(), &words, &settings)
    }

    /// The words that a plan adds, as one line; all of the others stay as they were.
    fn added(text: &str) -> String {
        let plan = plan(text).unwrap();
        let (before, after) = plan.arguments.split_at(words(text).len());
        assert_eq!(before, words(text));
        after.join(OsStr::new(" ")).into_string().unwrap()
    }

    const FRAMEBUFFER: &str = include_str!("../tests/golden/framebuffer.argv");
    const HVM: &str = include_str!("../tests/golden/hvm.argv");

    #[test]
    fn an_hvm_guests_qemu_is_restricted_and_becomes_nobody_in_nowhere() {
        assert_eq!(
            added(HVM),
            "-xen-domid-restrict -chroot /run/xenwarden/device-model -runas 2050000005:2050000005"
        );
        let plan = plan(HVM).unwrap();
        assert_eq!(plan.user.map(Uid::number), Some(BASE + 5));
        assert_eq!(plan.wrap.stage.unwrap().devices, Vec::<PathBuf>::new());
        assert!(plan.wrap.limits.contains(&(Limit::FileSize, 1 << 20)));
        assert!(!plan.wrap.capabilities.contains(&Capability::CAP_NET_ADMIN));
        assert_eq!(plan.remark, None);
    }

    #[test]
    fn a_framebuffers_qemu_finds_its_late_devices_in_its_root() {
        assert_eq!(
            added(FRAMEBUFFER),
            "-chroot /run/xenwarden/device-model -runas 2050000002:2050000002"
        );
        let stage = plan(FRAMEBUFFER).unwrap().wrap.stage.unwrap();
        assert_eq!(stage.devices, ["/dev/xen/evtchn", "/dev/xen/gntdev"].map(PathBuf::from));
        assert_eq!(stage.owner.number(), BASE + 2);
    }

    #[test]
    fn a_pv_guests_disks_stay_reachable_and_that_is_said() {
        let text = "-xen-domid 7 -xen-attach -vnc none -machine xenpv";
        assert_eq!(added(text), "");
        let plan = plan(text).unwrap();
        assert_eq!((plan.user, &plan.wrap.stage), (None, &None));
        assert!(!plan.wrap.capabilities.contains(&Capability::CAP_SETUID));
        assert!(plan.remark.unwrap().contains("stays root"));
    }

    #[test]
    fn a_file_limit_never_hits_a_disk() {
        let disk = format!("{HVM} -drive file=/d.img,if=ide,format=raw");
        let limits = plan(&disk).unwrap().wrap.limits;
        assert!(limits.iter().all(|(limit, _)| *limit != Limit::FileSize));
    }

    #[test]
    fn a_tap_needs_a_privilege_at_the_start() {
        let tap = format!("{HVM} -netdev type=tap,id=net0,ifname=vif5.0-emu");
        assert!(plan(&tap).unwrap().wrap.capabilities.contains(&Capability::CAP_NET_ADMIN));
    }

    #[test]
    fn the_toolstacks_restriction_of_an_hvm_guest_is_kept() {
        let whole = "-xen-domid-restrict -chroot /var/run/xen/qemu-root-5 -runas 200005:997";
        assert_eq!(added(&format!("{HVM} {whole}")), "");
        assert_eq!(plan(&format!("{HVM} -runas 5:5")), Err(PlanError::HalfConfined));
        assert_eq!(plan(&format!("{FRAMEBUFFER} {whole}")), Err(PlanError::RestrictedBackend));
    }

    #[test]
    fn a_saved_state_that_libxl_would_wait_for_in_vain_is_refused_at_once() {
        assert_eq!(plan(&format!("{HVM} -incoming fd:7")), Err(PlanError::Restored));
        let whole = "-xen-domid-restrict -chroot /var/run/xen/qemu-root-5 -runas 200005:997";
        assert!(plan(&format!("{HVM} {whole} -incoming fd:7")).is_ok());
    }

    #[test]
    fn a_screen_for_everybody_is_remarked_on() {
        let open = HVM.replace("127.0.0.1:0", "0.0.0.0:0");
        assert!(plan(&open).unwrap().remark.unwrap().ends_with("0.0.0.0:0,to=99"));
    }

    #[test]
    fn the_environment_is_what_libxl_set() {
        let all = [("LD_PRELOAD", "x"), ("XEN_DOMAIN_ID", "5"), ("QEMU_AUDIO_DRV", "none")];
        let all = all.map(|(name, value)| (name.into(), value.into()));
        let names = environment(all.into_iter()).into_iter().map(|(name, _)| name);
        assert_eq!(names.collect::<Vec<_>>(), ["XEN_DOMAIN_ID", "QEMU_AUDIO_DRV"]);
    }
}
