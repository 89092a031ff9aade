//! `fleet measure`.
use clap::Args;
use fleet::BoxError;
#[derive(Args, Debug)]
pub struct Arguments {}
pub async fn run(_: Arguments) -> Result<(), BoxError> {
    Ok(())
}
