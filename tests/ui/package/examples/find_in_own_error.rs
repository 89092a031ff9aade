//! `OperationError::find` is asked about an error type of one's own.

use tower_lro::OperationError;

#[derive(Debug)]
struct MyError;

fn main() {
    let _ = OperationError::<std::io::Error>::find(&MyError);
}
