//! `forgewatch live`.

use std::{ffi::OsString, process::ExitCode};

use super::{Failure, run::Options};

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    if let Some(given) = options.form_given() {
        return Err(Failure::Usage(format!(
            "live reads itself what the agent says, and takes no {given}; give that to forgewatch run"
        )));
    }
    // Checked as `run` would, and then handed on as they are.
    let layers = options.layers()?;
    let args: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "live").skip(1).collect();
    crate::live::run(&args, &layers.settings.interfaces.join(", "))
}
