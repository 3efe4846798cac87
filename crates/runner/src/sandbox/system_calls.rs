//! Seccomp: what a decoder never needs is refused with an error, so that a library which tries goes on.
//!
//! This is a list of what is refused. Landlock holds the files, so what matters here is the network, other
//! processes, and the parts of the kernel with the longest records of holes.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Refused whatever the arguments.
const REFUSED: &[c_long] = &[
    // The network, and other processes through sockets.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_setpriority,
    libc::SYS_memfd_create,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    // What Landlock does not hold about files.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_utimensat,
    // Wide doors into the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_personality,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_acct,
];

/// Old calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Installs the filters; false if the kernel or this library does not know how.
pub(super) fn restrict() -> bool {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return false };
    let Ok(refused) = refused_rules() else { return false };
    // Its flags are behind a pointer, where no filter can see them. A C library that is told "not
    // implemented" starts its threads by `clone` instead.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let refused = [(unknown, libc::ENOSYS), (refused, libc::EPERM)]
        .into_iter()
        .all(|(rules, errno)| install(rules, errno, arch).is_some());
    refused && refuse_other_numbers()
}

/// The x32 interface has the same calls under other numbers, all from 2^30 on, and the same audit
/// architecture: a list of numbers alone would miss them (seccomp(2), "Caveats").
#[cfg(target_arch = "x86_64")]
fn refuse_other_numbers() -> bool {
    const X32_FIRST: u32 = 1 << 30;
    let number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let step = |code: u32, jf: u8, k: u32| {
        let code = u16::try_from(code).unwrap_or(u16::MAX);
        seccompiler::sock_filter { code, jt: 0, jf, k }
    };
    // The number is the first word of what a filter sees.
    let program: BpfProgram = vec![
        step(number, 0, 0),
        step(at_least, 1, X32_FIRST),
        step(answer, 0, refuse),
        step(answer, 0, libc::SECCOMP_RET_ALLOW),
    ];
    seccompiler::apply_filter(&program).is_ok()
}

#[cfg(not(target_arch = "x86_64"))]
const fn refuse_other_numbers() -> bool {
    true
}

fn install(rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: i32, arch: TargetArch) -> Option<()> {
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).ok()?;
    let program = BpfProgram::try_from(filter).ok()?;
    seccompiler::apply_filter(&program).ok()
}

fn refused_rules() -> Result<BTreeMap<c_long, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    let own_pid = std::process::id().into();
    // A new process, but not a new thread; a signal to others, but not `abort`; limits of others.
    rules.insert(libc::SYS_clone, vec![argument(0, SeccompCmpOp::MaskedEq(thread), 0)?]);
    rules.insert(libc::SYS_tgkill, vec![argument(0, SeccompCmpOp::Ne, own_pid)?]);
    rules.insert(libc::SYS_prlimit64, vec![argument(0, SeccompCmpOp::Ne, 0)?]);
    Ok(rules)
}

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}
