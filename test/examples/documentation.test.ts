// usual kernels: the newest
import { needsUblk } from "../docs/extract.ts";
import { runExamples } from "../docs/run.ts";

runExamples("every example of the documentation that makes disks", needsUblk);
