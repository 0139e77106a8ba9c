//! Runs a program in a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus};

use nix::pty::{Winsize, openpty};

/// What a terminal of this width gets to see, byte for byte.
pub fn run_in_terminal(mut command: Command, columns: u16) -> (ExitStatus, String) {
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut child = {
        let slave = || terminal.slave.try_clone().unwrap();
        command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap()
    };
    // The program is the only one that has it open, so that its end is the end of the terminal.
    drop((command, terminal.slave));
    let mut bytes = Vec::new();
    // Linux ends a terminal whose other side is gone with EIO, others with the end of the file.
    let _ = File::from(terminal.master).read_to_end(&mut bytes);
    (child.wait().unwrap(), String::from_utf8(bytes).unwrap())
}

/// The same with an answer that is typed once the question is there.
pub fn answered_in_terminal(command: Command, question: &str, answer: &str) -> (ExitStatus, String) {
    answered_in_turn(command, question, |_| answer.to_owned())
}

/// The same with an answer each time the question is there.
pub fn answered_in_turn(
    mut command: Command,
    question: &str,
    mut answer: impl FnMut(usize) -> String,
) -> (ExitStatus, String) {
    let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut child = {
        let slave = || terminal.slave.try_clone().unwrap();
        command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap()
    };
    drop((command, terminal.slave));
    let mut master = File::from(terminal.master);
    let (mut bytes, mut read, mut answered) = (Vec::new(), [0; 4096], 0);
    while let Ok(count @ 1..) = master.read(&mut read) {
        bytes.extend_from_slice(&read[..count]);
        while String::from_utf8_lossy(&bytes).matches(question).count() > answered {
            master.write_all(format!("{}\n", answer(answered)).as_bytes()).unwrap();
            answered += 1;
        }
    }
    (child.wait().unwrap(), String::from_utf8(bytes).unwrap())
}
