//! Host tests: the kernel on a model of a machine.

mod accounts;
mod bindings;
mod boot;
mod calls;
mod comparator;
mod deaths;
mod environments;
mod frames;
mod input;
mod interrupts;
mod model;
mod names;
mod physical;
mod random;
mod revocation;
mod rights;
mod sharing;
mod slices;
mod time;
