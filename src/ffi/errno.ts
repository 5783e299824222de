/**
 * The Linux errno names, x86-64 numbering (`asm-generic/errno-base.h`, `asm-generic/errno.h`).
 *
 * @module
 */

// Position n holds the name of errno n; a dot is a number that has no name of its own.
const NAMES = (
  ". EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST " +
  "EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE " +
  "EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP . ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH " +
  "ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT . EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE " +
  "ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD " +
  "ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT " +
  "EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH " +
  "ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN " +
  "EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE " +
  "ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON"
).split(" ");

const NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [name, number]));

/** The name of an errno, positive or negative: `errnoName(-2)` is `"ENOENT"`; `"E524"` style for nameless ones. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  const name = NAMES[number];
  return name === undefined || name === "." ? `E${number}` : name;
}

/** The negative errno of a name (`errnoOf("ENOENT")` is -2), or undefined for a name that Linux does not have. */
export function errnoOf(name: string): number | undefined {
  if (name === ".") return undefined;
  const number = NUMBERS.get(name === "EWOULDBLOCK" ? "EAGAIN" : name === "ENOTSUP" ? "EOPNOTSUPP" : name);
  return number === undefined ? undefined : -number;
}
