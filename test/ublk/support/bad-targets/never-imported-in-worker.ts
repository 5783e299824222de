import { isMainThread } from "node:worker_threads";

if (!isMainThread) await new Promise<void>(() => {});
export default { size: 4096, read: (): void => {} };
