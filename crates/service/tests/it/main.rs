//! The use cases over the real stores of one machine, with a clock that the tests set.

mod hang_up;
mod issue;
mod parts;
mod provision;
mod redeem;
mod upload;
mod world;
