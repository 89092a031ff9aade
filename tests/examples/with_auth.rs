//! A token that expires in the middle of an operation.

use crate::run::prints;

#[test]
fn polls_get_a_fresh_token_and_the_work_is_started_once() {
    let printed = prints("with_auth");
    // Eight requests, by tokens that are good for three.
    let outcome = "Succeeded; 7 polls used 3 tokens, 2 requests were refused";
    let expected = format!("tower: {outcome}\nreqwest-middleware: {outcome}\nstart requests that the service saw: 2\n");
    assert_eq!(printed, expected);
}
