//! Messages without credentials that cannot drive a terminal: about arguments that are refused, and about errors of services.

use tower_lro::simulator::{Reply, Script};

use crate::{
    lro::support::{Printed, Server, folder},
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

#[test]
fn what_cannot_be_reached_is_told_without_its_query() {
    // Nobody listens there any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}/start?subscription-key=s3cret");
    let journal = folder("not-reached");
    for (program, arguments) in [("quickstart", &[][..]), ("resume", &["run", "--journal", journal.to_str().unwrap()])]
    {
        let printed = Printed::of(output(command(program).args(arguments).args(["--endpoint", &endpoint]))).expect(1);
        assert!(printed.err.contains("refused") && !printed.err.contains("s3cret"), "{program}: {}", printed.err);
    }
    let file = journal.join("file");
    std::fs::write(&file, "").unwrap();
    let arguments = ["run", "--journal", file.to_str().unwrap(), "--endpoint", &endpoint];
    Printed::of(output(command("resume").args(arguments))).expect(1).tells(&[file.to_str().unwrap(), "File exists"]);
}

#[test]
fn words_of_a_service_cannot_drive_the_terminal() {
    let journal = folder("words");
    for (program, arguments) in [("quickstart", &[][..]), ("resume", &["run", "--journal", journal.to_str().unwrap()])]
    {
        let word = Reply::json(r#"{"id": "\u001b[2J", "status": "a\u001b[2J\u009b2Jz"}"#);
        let server = Server::in_haste(Script::new(Reply::accepted()).polls([word, Reply::status("Succeeded")]));
        let endpoint = server.url("/start");
        let printed = Printed::of(output(command(program).args(arguments).args(["--endpoint", &endpoint]))).expect(0);
        let out = printed.out();
        assert!(out.contains(r"a\u001b[2J\u009b2Jz") && !out.contains(['\u{1b}', '\u{9b}']), "{program}: {out:?}");
    }
}
