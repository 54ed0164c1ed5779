//! The released plan for QEMU as a device model, in its three parts.
//!
//! What libxl asks of a QEMU, and which part that makes it, is not here.

use std::path::PathBuf;

use caps::Capability;

use super::{Stage, Wrap};
use crate::identity::Uid;
use crate::limit::Limit;
use crate::policy::{Policy, PolicyError};

/// Descriptors: devices, viewers, disks and event channels are some dozens.
const OPEN_FILES: u64 = 1024;
/// Processes and threads of its user: a worker for each disk request under way, at most 64, and
/// threads for the viewers.
const PROCESSES: u64 = 256;
/// Bytes of a file: its log, and the state of devices when a guest is saved. Not a disk.
const FILE_SIZE: u64 = 1024 * 1024;

/// The devices that a framebuffer's QEMU opens when its guest has connected, long after its start.
const LATE_DEVICES: [&str; 2] = ["/dev/xen/evtchn", "/dev/xen/gntdev"];

/// What a QEMU is to its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The machine of an HVM guest. It opens everything at its start.
    Machine {
        /// The user and group that it becomes.
        uid: Uid,
        /// Where its root is.
        root: PathBuf,
    },
    /// The machine of an HVM guest whose user and root the toolstack has chosen.
    ToolstacksMachine,
    /// The framebuffer of a PV guest, which opens event channels and grants late.
    Framebuffer {
        /// The user and group that it becomes.
        uid: Uid,
        /// Where its root is.
        root: PathBuf,
    },
    /// Other backends of a PV guest: disks above all, whose images it opens late, by name, as root.
    Backends,
}

impl Wrap {
    /// The released plan for a device model.
    ///
    /// `disks`: it writes to disk images itself. `taps`: it attaches network interfaces.
    pub fn device_model(part: &Part, disks: bool, taps: bool) -> Result<Self, PolicyError> {
        let mut limits = vec![
            (Limit::Core, 0),
            (Limit::MessageQueues, 0),
            (Limit::FileLocks, 0),
            (Limit::OpenFiles, OPEN_FILES),
        ];
        if !matches!(part, Part::Backends) {
            // Its hypercalls' buffers are the kernel's, and it is root no more when this counts.
            limits.extend([(Limit::LockedMemory, 0), (Limit::Processes, PROCESSES)]);
            if !disks {
                limits.push((Limit::FileSize, FILE_SIZE));
            }
        }
        // Devices and images are opened, and hypercalls' buffers locked, before root is given up.
        let mut capabilities = vec![Capability::CAP_DAC_OVERRIDE, Capability::CAP_IPC_LOCK];
        if !matches!(part, Part::Backends) {
            capabilities.extend([
                Capability::CAP_SETUID,
                Capability::CAP_SETGID,
                Capability::CAP_SYS_CHROOT,
            ]);
        }
        if taps {
            capabilities.push(Capability::CAP_NET_ADMIN);
        }
        let stage = match part {
            Part::Machine { uid, root } => {
                Some(Stage { directory: root.clone(), devices: Vec::new(), owner: *uid })
            }
            Part::Framebuffer { uid, root } => {
                let devices = LATE_DEVICES.map(PathBuf::from).to_vec();
                Some(Stage { directory: root.clone(), devices, owner: *uid })
            }
            Part::ToolstacksMachine | Part::Backends => None,
        };
        Ok(Self { limits, capabilities, policy: Policy::device_model()?, stage })
    }
}
