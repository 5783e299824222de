// usual kernels: the newest
// file timeout: 600 s
import { needsUblk } from "../docs/extract.ts";
import { runExamples } from "../docs/run.ts";

runExamples("every example of the documentation that makes disks", needsUblk);
