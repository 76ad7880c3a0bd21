use percuss::campaign::*;
use percuss::model::*;
use percuss::program::*;
fn main() {
    let p: Program = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap().parse().unwrap();
    let names = ["B24", "B25", "B26", "B50", "B51"];
    for mask in 0..32u32 {
        let mut q = Quirks::v6_12();
        for (i, n) in names.iter().enumerate() {
            if mask >> i & 1 == 1 {
                q.set(n, false).unwrap();
            }
        }
        let mut m = ModelRun::new(Facts::default(), q).unwrap();
        m.run(&p).unwrap();
        println!(
            "off {:?}: below {:?} room {:?}",
            names.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|x| x.1).collect::<Vec<_>>(),
            m.watch.below.iter().map(|b| (b.op, b.below.block, b.below.hint, b.below.truth)).collect::<Vec<_>>(),
            m.watch.room.len()
        );
    }
}
