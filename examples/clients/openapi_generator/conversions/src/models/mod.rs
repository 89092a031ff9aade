pub mod drawing;
pub use self::drawing::Drawing;
pub mod operation;
pub use self::operation::Operation;
