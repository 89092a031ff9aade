//! Arguments that are refused, and are told without the credentials in them.

use crate::{
    lro::support::{Printed, folder},
    run::{command, output},
};

#[test]
fn an_address_that_is_refused_is_printed_without_its_user_information() {
    let folder = folder("refused-address");
    let transcript = folder.join("transcript");
    std::fs::write(&transcript, "HTTP/1.1 202 Accepted\nlocation: /op/7\n\n").unwrap();
    let check = ["protocol", "check", "location", "--transcript", transcript.to_str().unwrap(), "--url"];
    let addresses = [
        "https://us3r:s3cret@host.test:port/",
        "https://us3r:s3/cret@host.test/",
        "https://us3r:s3?cret@host.test/",
        "https://us3r:s3@cret@ho st.test/",
        "ftp://us3r:s3cret@host.test/",
        "us3r:s3cret@host.test",
    ];
    let service = "http://127.0.0.1:9/";
    for address in addresses {
        for (program, arguments) in [
            ("lro", &[address][..]),
            ("lro", &[service, address]),
            ("lro", &[service, &format!("--ur1={address}")]),
            ("lro", &[service, &format!("-u{address}")]),
            ("lro", &[service, "--trust-origin", address]),
            ("lro", &[service, &format!("--allow-origin={address}")]),
            ("lro", &[&check[..], &[address]].concat()),
            ("gateway", &["--listen", "127.0.0.1:0", "--upstream", address]),
            ("gateway", &["--listen", address]),
            ("resume", &["run", "--journal", folder.to_str().unwrap(), "--endpoint", address]),
        ] {
            let printed = Printed::of(output(command(program).args(arguments))).expect(2);
            let has_secret = ["us3r", "s3", "cret"].iter().any(|secret| printed.err.contains(secret));
            assert!(!has_secret, "{arguments:?}: {}", printed.err);
        }
        let printed = Printed::of(output(command("quickstart").args(["--endpoint", address]))).expect(1);
        assert!(!["us3r", "cret"].iter().any(|secret| printed.err.contains(secret)), "{}", printed.err);
    }
    // The rest of it is told, and what is no address as a whole.
    let printed = Printed::of(output(command("lro").args([service, "--trust-origin", "https://u:p@host.test/a"])));
    printed.tells(&["'https://***@host.test/a' for '--trust-origin"]);
    let printed = Printed::of(output(command("lro").args([service, "--protocol", "./no@such.toml"])));
    printed.tells(&["'./no@such.toml'"]);
}
