//! Every scenario, in the order in which they run.

mod crowd;
mod device_models;
mod devices;
mod host_console;
mod life;
mod no_vnc;
mod store_killed;
mod store_limits;
mod vm_data;

use crate::scenario::Scenario;
use crate::tool::must;

/// All of them. A new one is a function and an entry here.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "console",
        shows: "a guest's text console is a screen, from its creation to its end",
        core: true,
        limit_s: 180,
        run: life::console,
    },
    Scenario {
        name: "no-vnc",
        shows: "with disable_pv_vnc the text console is xenconsole's, without it ours",
        core: true,
        limit_s: 240,
        run: no_vnc::text_console,
    },
    Scenario {
        name: "vm-data",
        shows: "vm-data is there at the guest's first program, is its own, and lives",
        core: true,
        limit_s: 240,
        run: vm_data::populated,
    },
    Scenario {
        name: "vm-data-plain",
        shows: "with xl create alone vm-data comes while the guest boots",
        core: false,
        limit_s: 240,
        run: vm_data::beside_a_plain_creation,
    },
    Scenario {
        name: "reboot",
        shows: "the console follows a reboot into the next domain, with its picture",
        core: false,
        limit_s: 240,
        run: life::reboot,
    },
    Scenario {
        name: "pause-rename",
        shows: "pause and rename change nothing but the name",
        core: false,
        limit_s: 240,
        run: life::pause_and_rename,
    },
    Scenario {
        name: "save-restore",
        shows: "the console and its picture survive a save and a restore",
        core: false,
        limit_s: 300,
        run: life::save_and_restore,
    },
    Scenario {
        name: "checkpoint",
        shows: "a save -c disturbs no console",
        core: false,
        limit_s: 240,
        run: life::checkpoint,
    },
    Scenario {
        name: "migration",
        shows: "the console and its picture follow a migration into the next domain",
        core: false,
        limit_s: 300,
        run: life::migration,
    },
    Scenario {
        name: "failed-migration",
        shows: "what a failed migration leaves and takes along disturbs no console",
        core: false,
        limit_s: 300,
        run: life::failed_migration,
    },
    Scenario {
        name: "host-console",
        shows: "the control domain's console is a screen behind a log-in, its shell a whole one",
        core: false,
        limit_s: 300,
        run: host_console::login,
    },
    Scenario {
        name: "hvm",
        shows: "a fully virtualised guest's serial port is a text console beside QEMU's screen",
        core: false,
        limit_s: 240,
        run: device_models::fully_virtualised,
    },
    Scenario {
        name: "framebuffer",
        shows: "a paravirtual guest's text console stands beside its framebuffer's screen",
        core: false,
        limit_s: 240,
        run: device_models::framebuffer,
    },
    Scenario {
        name: "device-model",
        shows: "behind our wrapper QEMU is a user of its own, in a root of its own, and ends",
        core: false,
        limit_s: 400,
        run: device_models::confined,
    },
    Scenario {
        name: "handles",
        shows: "restricted event channels and privcmd allow one domain, and can't be widened",
        core: false,
        limit_s: 300,
        run: device_models::handles,
    },
    Scenario {
        name: "store-killed",
        shows: "our store can be killed and updated under guests and toolstack, and nothing is lost",
        core: false,
        limit_s: 300,
        run: store_killed::goes_on,
    },
    Scenario {
        name: "store-killed-boots",
        shows: "our store can be killed and updated while guests are created and boot",
        core: false,
        limit_s: 600,
        run: store_killed::amid_boots,
    },
    Scenario {
        name: "devices",
        shows: "a guest's disk and NIC find their backends, and data flows",
        core: false,
        limit_s: 300,
        run: devices::pass_traffic,
    },
    Scenario {
        name: "honest",
        shows: "an honest guest is far from every limit of the store",
        core: false,
        limit_s: 400,
        run: store_limits::honest,
    },
    Scenario {
        name: "flood",
        shows: "a guest that floods the store is held, and can be saved right afterwards",
        core: false,
        limit_s: 600,
        run: store_limits::flooded,
    },
    Scenario {
        name: "test-xenstore",
        shows: "Xen's own test of a store passes",
        core: false,
        limit_s: 200,
        run: xens_own_test,
    },
    Scenario {
        name: "crowd",
        shows: "20 guests are served through the ends of agent and converters, and nothing is left",
        core: false,
        limit_s: 900,
        run: crowd::twenty,
    },
];

/// The test that Xen brings along for whatever store it is given, each part so often.
fn xens_own_test() {
    must("/usr/lib/xen-4.17/bin/test-xenstore", ["-i", "100"]);
}
