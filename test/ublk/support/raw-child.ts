/** A process that got the char device of another one as descriptor 3, and tries to serve with it. Prints what became of that. */
import { Arena, SystemError } from "uring-ublk/ffi";

const [length = ""] = process.argv.slice(2);
try {
  Arena.map(3, 0, Number(length), 1).dispose();
  console.log("mapped");
} catch (error) {
  if (!(error instanceof SystemError)) throw error;
  console.log(error.code);
}
