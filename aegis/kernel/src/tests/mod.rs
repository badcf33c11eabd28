//! Host tests: the kernel on a model of a machine.

mod bindings;
mod boot;
mod calls;
mod frames;
mod model;
mod names;
mod random;
