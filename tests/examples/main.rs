//! The examples, run through their own binaries.

mod run;
mod small;
