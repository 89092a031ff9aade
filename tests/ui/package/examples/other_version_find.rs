//! The error is one of reqwest-middleware 0.4, and the feature that of 0.5.

use reqwest_middleware_0_4 as reqwest_middleware;
use tower_lro::OperationError;

fn is_accepted(error: &reqwest_middleware::Error) -> bool {
    OperationError::find(error).is_some()
}

fn main() {
    let _ = is_accepted;
}
