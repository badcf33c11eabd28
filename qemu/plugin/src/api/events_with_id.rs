//! Up to version 6: callbacks get the plugin's id.

use super::{Block, Listener, PluginId};
use std::ffi::c_void;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: PluginId, callback: extern "C" fn(PluginId, *mut Block));
    fn qemu_plugin_register_atexit_cb(id: PluginId, callback: extern "C" fn(PluginId, *mut c_void), data: *mut c_void);
}

/// Has QEMU tell `L`.
///
/// # Safety
///
/// The id is the one that QEMU gave.
pub unsafe fn listen<L: Listener>(id: PluginId) {
    extern "C" fn on_translate<L: Listener>(_id: PluginId, block: *mut Block) {
        L::translated(block);
    }
    extern "C" fn on_exit<L: Listener>(_id: PluginId, _data: *mut c_void) {
        L::ended();
    }
    // SAFETY: as above; the callbacks live as long as this library, which stays loaded.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate::<L>);
        qemu_plugin_register_atexit_cb(id, on_exit::<L>, std::ptr::null_mut());
    }
}
