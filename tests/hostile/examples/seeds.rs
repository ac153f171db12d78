//! Writes the inputs to begin with: a folder for each target.

use std::{env, fs, io, path::PathBuf};

use ringfence_hostile::fuzz::seeds;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).expect("a folder is given");
    for (target, inputs) in seeds() {
        let folder = PathBuf::from(&folder).join(target);
        fs::create_dir_all(&folder)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(folder.join(number.to_string()), input)?;
        }
    }
    Ok(())
}
