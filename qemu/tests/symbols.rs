//! Names of addresses: of the code of an image, and of nothing else.

mod images;

use aegis_host::image::build_programs;
use aegis_host::machine::Machine;
use aegis_host::symbols::Symbols;
use images::{kernel, workspace};
use object::{Object, ObjectSection, ObjectSymbol};

#[test]
fn only_addresses_of_the_image_have_names() {
    let workspace = workspace();
    let mut misleading = 0;
    for machine in Machine::ALL {
        let kernel = kernel(machine, &[]);
        for program in build_programs(&workspace, machine).unwrap().built {
            let bytes = std::fs::read(&program.path).unwrap();
            let file = object::File::parse(&*bytes).unwrap();
            let symbols = Symbols::read(&workspace.root, &kernel, Some(&program.path));
            let describe = |address: u64| symbols.describe(address as u32);
            // The debug information of what the linker has dropped stands at 0, and the heap lies
            // behind the last symbol.
            let end = file.sections().map(|section| section.address() + section.size()).max().unwrap();
            let loader = addr2line::Loader::new(&program.path).unwrap();
            let named =
                |address: &u64| loader.find_frames(*address).is_ok_and(|mut all| matches!(all.next(), Ok(Some(_))));
            misleading += (0..0x1000).step_by(4).filter(named).count();
            for address in (0..0x1000).step_by(4).chain([end, end + 0x1000, 0x0820_0000, 0x7fff_e000]) {
                assert_eq!(describe(address), None, "{} on {machine}, {address:#x}", program.name);
            }
            let main = file.symbols().find(|symbol| symbol.name() == Ok("_start")).unwrap();
            assert!(describe(main.address()).is_some(), "{} on {machine}", program.name);
        }
    }
    assert!(misleading > 0, "no debug information stands at 0, so nothing was tested");
}
