import { isMainThread } from "node:worker_threads";

if (!isMainThread) throw new Error("this module does not like Workers");
export default { size: 4096, read: () => {} };
