//! Writes the seeds: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`. What was found besides stays.

use std::{fs, io, path::Path};

#[path = "seeds/machine.rs"]
mod machine;
#[path = "seeds/protocols.rs"]
mod protocols;
#[path = "seeds/tape.rs"]
mod tape;
#[path = "seeds/text.rs"]
mod text;

fn main() -> io::Result<()> {
    let write = |target: &str, seeds: Vec<(String, Vec<u8>)>| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        seeds.into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
    };
    write("scanner", text::scanner())?;
    write("address", text::address())?;
    write("retry_after", text::retry_after())?;
    write("machine", machine::seeds())?;
    write("machine", protocols::seeds())
}
