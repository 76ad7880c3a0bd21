use percuss::model::*; use percuss::program::*; use percuss::run::*; use percuss::tenant::*; use percuss::world::*; use percuss::world::gfp::Gfp;
use std::rc::Rc; use percuss_shim as shim;
struct R(u64); impl R { fn n(&mut self, k: u64)->u64 { self.0 ^= self.0<<13; self.0^=self.0>>7; self.0^=self.0<<17; self.0 % k } }
fn prog(seed: u64) -> Program {
    let mut r = R(seed*0x9e3779b97f4a7c15+1); for _ in 0..5 { r.n(2); }
    let mut p = Program::default();
    p.boot.cpus = [1,3,0xf,0xff,0x2d,u64::MAX][r.n(6) as usize];
    p.boot.groups = (1+r.n(4) as u8).min(p.boot.cpus.count_ones() as u8);
    p.boot.interleaved = r.n(2)==0;
    p.boot.reserved = [0,8192][r.n(2) as usize];
    p.boot.static_size = [8192,8200,12345,4096*3][r.n(4) as usize];
    p.boot.dyn_size = [20480, 28672, 65536][r.n(3) as usize];
    p.boot.atom = [4096,65536,2<<20][r.n(3) as usize];
    p.boot.first = [First::Embed, First::Page, First::Info][r.n(3) as usize];
    p.boot.kmem = r.n(2)==0;
    let mut ops = vec![];
    let n = 20+r.n(200);
    for _ in 0..n {
        let var = Var(r.n(40) as u8);
        ops.push(match r.n(20) {
            0..=8 => { let size = match r.n(5) {0=>4+r.n(60),1=>r.n(512),2=>r.n(4096),3=>r.n(33000),_=>8*(1+r.n(8))} as u32;
               Op::Alloc{dst:var,size,align:1<<r.n(13),reserved:r.n(10)==0,gfp:[Gfp::KERNEL,Gfp::NOFS,Gfp::NOIO,Gfp::ATOMIC,Gfp::NOWAIT,Gfp::KERNEL_ACCOUNT][r.n(6) as usize]} }
            9..=15 => Op::Free{var}, 16 => Op::Balance, 17 => Op::Memcg{id:r.n(4) as u8}, 18=>Op::Write{var,seed:r.n(255) as u8}, _ => Op::Phys{var,cpu:r.n(8) as u8,delta:r.n(5000) as u16}});
    }
    p.tasks = vec![ops]; p
}
fn main() {
    let tree = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let out = std::path::PathBuf::from(format!("/tmp/spike-{}.so", tree.replace('/',"_")));
    let req = shim::CompileRequest{tree: format!("vendor/trees/{tree}").into(), overlay: None, config: shim::Config::Smp, output: out.clone(), scratch: "/tmp/spike-scratch".into(), flags: vec![]};
    shim::compile(&req).unwrap_or_else(|e| panic!("{e}"));
    let image = shim::Image::load(&out).unwrap_or_else(|e| panic!("{e}"));
    let f = *image.facts(); println!("{f:?}");
    let host = Host::new(World::new(f.page_struct_size).unwrap());
    let mut c = Session::new(host.clone(), KernelC::new(image, host.clone(), "C".into())).unwrap();
    let mhost = Host::new(World::new(0).unwrap());
    let facts = Facts{chunk_fixed_size:f.chunk_fixed_size, block_md_size:f.block_md_size, obj_ext_size:f.obj_ext_size, vm_struct_size:f.vm_struct_size, dyn_early_size: f.dyn_early_size, alloc_info_size:f.alloc_info_size, group_info_size:f.group_info_size, ..Facts::default()};
    let q = if tree=="6.1" {Quirks::v6_1()} else {Quirks::v6_12()};
    let mut m = Session::new(mhost.clone(), Allocator::new(mhost.clone(), facts, q)).unwrap();
    let t = std::time::Instant::now(); let (mut tc, mut tm) = (0.0,0.0); let mut ev=0; let mut bad=0;
    let only = std::env::args().nth(3).map(|s| s.parse::<u64>().unwrap());
    for s in 0..n {
        if only.is_some_and(|o| o!=s) {continue;}
        let p = prog(s);
        let t0=std::time::Instant::now(); let e1 = c.run(&p, &mut Unwatched).unwrap(); tc+=t0.elapsed().as_secs_f64();
        let t0=std::time::Instant::now(); let e2 = m.run(&p, &mut Unwatched).unwrap(); tm+=t0.elapsed().as_secs_f64();
        let (a,b)=(host.world(), mhost.world()); ev+=a.events().len();
        if a.events()!=b.events() { if bad<3 { println!("{:?}\n{:?}", a.layout(), b.layout()); } let i=a.events().iter().zip(b.events()).position(|(x,y)| x!=y).unwrap_or(a.events().len().min(b.events().len()));
            bad+=1; if bad<=3 { println!("seed {s} {:?} DIFF at {i} {e1:?} {e2:?}", p.boot); for k in i.saturating_sub(8)..i+3 { println!("  C {:x?}\n  M {:x?}", a.events().get(k), b.events().get(k)); } } }
        let cc=c.shared().content.borrow(); if !cc.is_empty() { println!("seed {s} content {:?}", cc[0]); }
    }
    println!("{n} programs {ev} events {bad} bad {:?} C {tc:.2} M {tm:.2}", t.elapsed());
}
