//! VMs for tests.

use std::collections::BTreeMap;

use uuid::Uuid;
use xenwarden_model::{Console, ConsoleProtocol, ConsoleState, PowerState, Vm};

/// A VM that isn't running; its uuid follows from its name.
pub(crate) fn halted(name: &str) -> Vm {
    Vm {
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_DNS, name.as_bytes()),
        name_label: name.to_owned(),
        power_state: PowerState::Halted,
        domid: None,
        is_control_domain: false,
        other_config: BTreeMap::new(),
        xenstore_data: BTreeMap::new(),
        consoles: Vec::new(),
        console_state: ConsoleState::Halted,
    }
}

/// A VM that runs and has a console of some state.
pub(crate) fn running(name: &str, domid: u16, console_state: ConsoleState) -> Vm {
    Vm { power_state: PowerState::Running, domid: Some(domid), console_state, ..halted(name) }
}

/// A VM whose console is served, 590N and 950N being its ports.
pub(crate) fn serving(name: &str, domid: u16) -> Vm {
    let state = ConsoleState::Serving {
        pid: 1000 + i32::from(domid),
        vnc_port: Some(5900 + domid),
        text_port: 9500 + domid,
        viewers: 0,
        quiet_ms: None,
        last_line: String::new(),
    };
    let mut vm = running(name, domid, state);
    let console = |protocol, location| Console {
        uuid: Console::uuid_of(vm.uuid, protocol),
        protocol,
        location,
    };
    vm.consoles = vec![
        console(ConsoleProtocol::Rfb, format!("vnc://127.0.0.1:{}", 5900 + domid)),
        console(ConsoleProtocol::Vt100, format!("telnet://127.0.0.1:{}", 9500 + domid)),
    ];
    vm
}
