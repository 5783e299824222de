/** `npm run vm`: a command in the VM, see test/vm/README.md. */
import "../test/vm/main.ts";
