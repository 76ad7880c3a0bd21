// SPDX-License-Identifier: GPL-2.0-only
//! The image linked into the program (feature `static-image`), as fuzz targets use it; also built with sanitizers.

mod common;

use common::*;
use percuss_shim::abi::*;
use percuss_shim::{Image, LoadError};

#[test]
fn the_linked_image_boots_again_and_again() {
    let image = match Image::linked() {
        Ok(image) => image,
        Err(e) => return eprintln!("skipped: {e}"),
    };
    assert!(matches!(Image::linked(), Err(LoadError::InUse)));
    let (i, _) = boot(image, &params(4, PERCUSS_FIRST_EMBED));
    i.save();
    let memory = i.host().snapshot();
    i.host().keep_digests.set(true);
    let mut first = None;
    for _ in 0..3 {
        exercise(&i, &mut Rng(9), 2_000, 200, false);
        let now = (i.digest_all(), i.host().digests.take());
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now);
        i.restore();
        i.host().restore(&memory);
    }
    drop(i);
    let image = Image::linked().expect("free again");
    let (i, _) = boot(image, &params(2, PERCUSS_FIRST_PAGE));
    assert_eq!(i.globals().nr_alloc, 0);
}
