//! A demonstration, for who gives no arguments.

use std::{io, time::Duration};

use clap::Parser;
use tower_lro::simulator::{Reply, Script, Simulator};

use crate::{
    common,
    lines::tell,
    options::{Options, quoted},
};

/// A command line to a simulated service, which it starts.
pub async fn options() -> io::Result<Options> {
    let address = common::serve(Simulator::new().script(conversion())).await?;
    let url = format!("http://{address}/conversions?api-version=2.0");
    let arguments = ["lro", "-H", "content-type: application/json", "-d", r#"{"from": "dwg"}"#, &url];
    let shown = arguments.map(quoted).join(" ");
    tell(format_args!("A simulated service listens on {address}, and this is:\n\n    {shown}\n"));
    Ok(Options::parse_from(arguments))
}

fn conversion() -> Script {
    let moment = Duration::from_millis(400);
    let status = |word: &str, percent: u8| {
        Reply::json(format!(r#"{{"operationId": "{{id}}", "status": "{word}", "percentComplete": {percent}}}"#))
    };
    Script::new(Reply::accepted().retry_after(moment)).polls([
        status("NotStarted", 0).retry_after(moment),
        status("Running", 40).retry_after(moment),
        Reply::http(503).retry_after(moment),
        status("Running", 80).retry_after(moment),
        status("Succeeded", 100).header("resource-location", "{origin}/resources/{id}"),
    ])
}
