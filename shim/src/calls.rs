// SPDX-License-Identifier: GPL-2.0-only
//! Images with functions that programs call by name: the tree's own prototypes say how.
//!
//! Programs give numbers, and C converts a number to a pointer only by a cast. So a function with plain arguments is made
//! for each call, in the translation unit of percpu.c, where static functions can be reached too.

use std::ffi::OsString;

use crate::compile::{CompileRequest, Compiled, compile_as};
use crate::driver::{self, CallError, CompileError, Job, io_error};

/// A function that a program calls, and with how many arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    pub name: String,
    pub args: usize,
}

/// Compiles an image as [`compile`](crate::compile()) does, whose functions `calls` can be called by name.
///
/// # Errors
/// As for [`compile`](crate::compile()); or a function cannot be called, see `CallError`.
pub fn compile_calling(req: &CompileRequest, calls: &[Called]) -> Result<Compiled, CompileError> {
    let dir = req.scratch.join("calls");
    std::fs::create_dir_all(&dir).map_err(io_error("creating", &dir))?;
    let prepare = |job: &Job<'_>| {
        let mut functions = Vec::new();
        for call in calls {
            let dump = driver::declarations(job, &call.name)?;
            functions.push(Function::of(call, &dump)?);
        }
        let path = dir.join("percuss_calls.h");
        std::fs::write(&path, header(&functions)).map_err(io_error("writing", &path))
    };
    let flags = ["-DPERCUSS_CALLS=1".into(), OsString::from("-I"), dir.clone().into()];
    let calling = CompileRequest { flags: req.flags.iter().cloned().chain(flags).collect(), ..req.clone() };
    Ok(compile_as(&calling, prepare, |_| Ok(()))?.0)
}

/// A function with its types, as the compiler spells them.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    result: Type,
    args: Vec<Type>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Type {
    /// As the tree writes it, which a cast can repeat.
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Void,
    Number,
    Pointer,
    /// A struct, or a floating-point number.
    Other,
}

impl Function {
    /// Reads clang's dump of the declarations whose names contain the call's.
    fn of(call: &Called, dump: &str) -> Result<Function, CompileError> {
        let name = call.name.clone();
        let declared = declarations(dump, &call.name);
        let Some(last) = declared.iter().rfind(|d| d.defined).or(declared.last()) else {
            return Err(CallError::NotDeclared(name).into());
        };
        let prototype = format!("{} {name}({})", last.result, last.args.join(", "));
        if last.variadic {
            return Err(CallError::Prototype { name, what: "the list of arguments".to_owned(), prototype }.into());
        }
        if !last.defined {
            return Err(CallError::NotDefined { name }.into());
        }
        if last.args.len() != call.args {
            let (wanted, given) = (last.args.len(), call.args);
            return Err(CallError::Arguments { name, wanted, given, prototype }.into());
        }
        let typed = |text: &String, plain: &String, what: String| match kind(plain) {
            Kind::Other => Err(CallError::Prototype { name: name.clone(), what, prototype: prototype.clone() }),
            kind => Ok(Type { text: text.clone(), kind }),
        };
        let mut args = Vec::new();
        for (i, (text, plain)) in last.args.iter().zip(&last.plain).enumerate() {
            args.push(typed(text, plain, format!("argument {}", i + 1))?);
        }
        let result = typed(&last.result, &last.result, "the result".to_owned())?;
        Ok(Function { name, result, args })
    }

    /// The function that calls it with plain arguments, and its row of the table.
    fn glue(&self) -> (String, String) {
        let Function { name, result, args } = self;
        let given: Vec<String> = args.iter().enumerate().map(|(i, t)| format!("({})args[{i}]", t.text)).collect();
        let call = format!("{name}({})", given.join(", "));
        let body = match result.kind {
            Kind::Void => format!("\t{call};\n\treturn 0;\n"),
            // Signed results keep their sign.
            _ => format!("\treturn (uint64_t){call};\n"),
        };
        let pointer = |(i, t): (usize, &Type)| u32::from(t.kind == Kind::Pointer) << i;
        let pointers: u32 = args.iter().enumerate().map(pointer).sum();
        let returns = if result.kind == Kind::Pointer { " | PERCUSS_CALL_RETURNS" } else { "" };
        let function = format!("static uint64_t percuss_call_{name}(const uint64_t *args)\n{{\n{body}}}\n\n");
        (function, format!("\t{{ \"{name}\", percuss_call_{name}, {}, {pointers}u{returns} }},\n", args.len()))
    }
}

fn header(functions: &[Function]) -> String {
    let (functions, rows): (Vec<String>, Vec<String>) = functions.iter().map(Function::glue).unzip();
    format!("{}static const struct percuss_call percuss_calls[] = {{\n{}}};\n", functions.concat(), rows.concat())
}

/// A declaration as clang dumps it: types as written, and those of the arguments also without typedefs.
#[derive(Debug, Default)]
struct Declared {
    result: String,
    args: Vec<String>,
    plain: Vec<String>,
    variadic: bool,
    defined: bool,
}

/// All declarations of a function in a dump, which has others with similar names.
fn declarations(dump: &str, name: &str) -> Vec<Declared> {
    let mut found: Vec<Declared> = Vec::new();
    let mut ours = false;
    for line in dump.lines() {
        let inner = line.starts_with(['|', '`', ' ']);
        if !inner {
            let words = format!(" {name} '");
            ours = line.starts_with("FunctionDecl ") && line.contains(&words);
            if ours {
                let text = line.split_once(&words).and_then(|(_, rest)| rest.split('\'').next()).unwrap_or_default();
                // `int (void *, size_t)`: the first parenthesis that is not of a pointer to a function.
                let result = text.split(" (").next().unwrap_or_default().to_owned();
                found.push(Declared { result, variadic: text.ends_with("...)"), ..Declared::default() });
            }
            continue;
        }
        let Some(last) = found.last_mut().filter(|_| ours) else { continue };
        // Only what is directly below the function: its body has parameters and statements too.
        match line.get(2..).filter(|_| line.starts_with(['|', '`'])) {
            Some(rest) if rest.starts_with("ParmVarDecl ") => {
                let mut types = rest.split('\'').skip(1).step_by(2);
                let text = types.next().unwrap_or_default().to_owned();
                last.plain.push(types.next().map_or_else(|| text.clone(), str::to_owned));
                last.args.push(text);
            }
            Some(rest) if rest.starts_with("CompoundStmt ") => last.defined = true,
            _ => {}
        }
    }
    found
}

/// What a type is, by its spelling without typedefs.
fn kind(plain: &str) -> Kind {
    const NUMBERS: [&str; 9] = ["char", "short", "int", "long", "_Bool", "bool", "unsigned", "signed", "__int128"];
    // Typedefs of results are not resolved in a dump; these are those of the kernel's interfaces.
    const TYPEDEFS: [&str; 18] = [
        "size_t",
        "ssize_t",
        "gfp_t",
        "u8",
        "u16",
        "u32",
        "u64",
        "s8",
        "s16",
        "s32",
        "s64",
        "uint8_t",
        "uint16_t",
        "uint32_t",
        "uint64_t",
        "phys_addr_t",
        "loff_t",
        "pgoff_t",
    ];
    if plain.contains(['*', '[']) {
        return Kind::Pointer;
    }
    let words = plain.split_whitespace().filter(|w| !matches!(*w, "const" | "volatile"));
    let words: Vec<&str> = words.collect();
    match words.first() {
        Some(&"void") => Kind::Void,
        Some(&"enum") => Kind::Number,
        Some(word) if TYPEDEFS.contains(word) => Kind::Number,
        Some(_) if words.iter().all(|word| NUMBERS.contains(word)) => Kind::Number,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "Dumping pcpu_charge:
FunctionDecl 0x1 <a.c:1:1, col:9> col:5 pcpu_charge 'int (void *, size_t)'
|-ParmVarDecl 0x2 <col:1> col:8 ptr 'void *'
`-ParmVarDecl 0x3 <col:1> col:9 size 'size_t':'unsigned long'

Dumping pcpu_charge_all:
FunctionDecl 0x4 <a.c:1:1, col:9> col:5 pcpu_charge_all 'void (struct s)'
`-ParmVarDecl 0x5 <col:1> col:8 's' 'struct s'

Dumping pcpu_charge:
FunctionDecl 0x6 prev 0x1 <a.c:1:1, col:9> col:5 used pcpu_charge 'int (void *, size_t)'
|-ParmVarDecl 0x7 <col:1> col:8 used ptr 'void *'
|-ParmVarDecl 0x8 <col:1> col:9 size 'size_t':'unsigned long'
`-CompoundStmt 0x9 <col:1>
  `-DeclStmt 0xa <col:1>
";

    fn read(name: &str, args: usize, dump: &str) -> Result<Function, String> {
        Function::of(&Called { name: name.to_owned(), args }, dump).map_err(|e| e.to_string())
    }

    #[test]
    fn a_prototype_makes_a_function() {
        let function = read("pcpu_charge", 2, DUMP).unwrap();
        let text = header(&[function]);
        assert!(text.contains("return (uint64_t)pcpu_charge((void *)args[0], (size_t)args[1]);"), "{text}");
        assert!(text.contains("{ \"pcpu_charge\", percuss_call_pcpu_charge, 2, 1u },"), "{text}");
        let dump = "FunctionDecl 0x1 <a> col:5 f 'void *(gfp_t)'\n|-ParmVarDecl 0x2 <c> col:8 'gfp_t':'unsigned int'\n\
            `-CompoundStmt 0x3 <c>\n";
        let text = header(&[read("f", 1, dump).unwrap()]);
        assert!(text.contains("1, 0u | PERCUSS_CALL_RETURNS }"), "{text}");
    }

    #[test]
    fn what_cannot_be_called_is_named() {
        let error = read("pcpu_charge", 1, DUMP).unwrap_err();
        assert_eq!(error, "pcpu_charge takes 2 arguments, and the program gives 1: int pcpu_charge(void *, size_t)");
        assert!(read("pcpu", 0, DUMP).unwrap_err().contains("declares no function pcpu;"));
        assert!(read("pcpu_charge_all", 1, DUMP).unwrap_err().contains("not defined in what is compiled"));
        let dump = "FunctionDecl 0x1 <a> col:5 f 'int (struct s)'\n|-ParmVarDecl 0x2 <c> col:8 x 'struct s'\n\
            `-CompoundStmt 0x3 <c>\n";
        assert!(read("f", 1, dump).unwrap_err().contains("argument 1 is no number and no pointer: int f(struct s)"));
        let dump = "FunctionDecl 0x1 <a> col:5 f 'int (const char *, ...)'\n|-ParmVarDecl 0x2 <c> col:8 x 'const char *'\n\
            `-CompoundStmt 0x3 <c>\n";
        assert!(read("f", 1, dump).unwrap_err().contains("the list of arguments"));
    }
}
