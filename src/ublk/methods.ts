import { all, Operation, type Part, Plan } from "../uring/index.ts";
import { checkPart } from "../uring/plans/check.ts";
import { Op } from "./op.ts";
import type { RequestHandler } from "./queue-spec.ts";
import type { DeferredRequest, UblkRequest } from "./request.ts";
import type { Attachment, MethodResult, Methods, RequestTarget } from "./target.ts";
import { callZoneMethod, type ZoneMethods } from "./zone-methods.ts";

/** What a target takes, as the kernel is told. */
export interface Capabilities {
  /** WRITE requests; without it the disk is read-only. */
  readonly write: boolean;
  /** FLUSH requests: the disk has a volatile cache. */
  readonly flush: boolean;
  /** DISCARD requests. */
  readonly discard: boolean;
  /** WRITE_ZEROES requests. */
  readonly writeZeroes: boolean;
  /** What a zoned disk gets. */
  readonly zones: boolean;
}

const EOPNOTSUPP = -95;

/** Which operations an attachment takes. */
export function capabilitiesOf(attachment: Attachment): Capabilities {
  if (attachment.handle !== undefined) {
    const ops = (attachment as RequestTarget).ops ?? {};
    return {
      write: true,
      flush: ops.flush === true,
      discard: ops.discard === true,
      writeZeroes: ops.writeZeroes === true,
      zones: ops.zones === true,
    };
  }
  const { write, flush, discard, writeZeroes, reportZones } = attachment as Methods & Partial<ZoneMethods>;
  const [has, zones] = [(method: unknown): boolean => method !== undefined, reportZones !== undefined];
  return { write: has(write), flush: has(flush), discard: has(discard), writeZeroes: has(writeZeroes), zones };
}

/** Turns what a target attached into the handler of a queue. */
export function handlerOf(attachment: Attachment): RequestHandler {
  return attachment.handle !== undefined ? requestHandler(attachment as RequestTarget) : methodHandler(attachment as Methods & ZoneMethods);
}

/** The request ends with the promise. */
function follow(request: UblkRequest, promise: Promise<number | void>): void {
  const { queue } = request;
  const { op, offset, length } = request;
  if (queue.isFinished(request.tag)) {
    // It was finished before the first await: what is left of the promise can only be reported.
    promise.catch((error: unknown) => queue.report(error, op, offset, length));
    return;
  }
  endWith(request.defer(), promise);
}

// What fails may leave operations in flight on the request's data, and so may what is done: the request ends after them, as a failure.
function endWith(done: DeferredRequest, promise: Promise<unknown>): void {
  const { length, offset, op, queue, tag } = done;
  const failed = (error: unknown): void => {
    if (!done.open) return; // the device stopped without waiting
    queue.failWhenFree(tag, error);
    queue.report(error, op, offset, length);
  };
  promise
    .then((value) => {
      if (done.open) done.complete(bytesOf(value) ?? length);
    })
    .catch(failed);
}

/** The bytes that a value tells of, or nothing where all are done. */
function bytesOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  const { bytes } = (value ?? {}) as { bytes?: unknown };
  return typeof bytes === "number" ? bytes : undefined;
}

/** As a plan a zero-copy send is over with its notification; alone it resolves before, while the kernel still uses the data. */
function wholly(plan: Plan<unknown, unknown>): Part<unknown, unknown> {
  const notifies = plan instanceof Operation && plan.declaration.completions === "notify";
  return (notifies ? all(plan as Part<unknown, unknown>) : plan) as Part<unknown, unknown>;
}

/** The request ends with the plan, and not before. */
function carryOut(plan: Plan<unknown, unknown>, request: UblkRequest): void {
  const { queue, signal, tag } = request;
  checkPart("handle", "the answer", plan);
  if (queue.isFinished(tag)) throw new TypeError("handle() finished the request and returned a plan; it must do one or the other");
  const done = request.defer(); // first: what the plan's operations use is lent by an open request
  queue.endsByItself(tag);
  endWith(done, queue.ring.run(wholly(plan), { signal }));
}

function isPromise(value: unknown): value is Promise<never> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

// Methods finish their requests themselves: nothing is left to be answered.
function methodHandler(methods: Methods & ZoneMethods): RequestHandler {
  const finish = (request: UblkRequest, result: MethodResult): void => {
    if (result === undefined) request.complete();
    else if (isPromise(result)) follow(request, result);
    else throw new TypeError(`${request.name}: the method returned ${String(result)}; it must return nothing or a promise`);
  };
  const target: RequestHandler["target"] = {
    handle(request) {
      switch (request.op) {
        case Op.READ:
          if (methods.read === undefined) break;
          return finish(request, methods.read(request.bytes, request.offset, request.context));
        case Op.WRITE:
          if (methods.write === undefined) break;
          return finish(request, methods.write(request.bytes, request.offset, request.context));
        case Op.FLUSH:
          if (methods.flush === undefined) break;
          return finish(request, methods.flush(request.context));
        case Op.DISCARD:
          if (methods.discard === undefined) break;
          return finish(request, methods.discard(request.offset, request.length, request.context));
        case Op.WRITE_ZEROES:
          if (methods.writeZeroes === undefined) break;
          return finish(request, methods.writeZeroes(request.offset, request.length, request.context));
        default: {
          if (methods.reportZones === undefined) break;
          const result = callZoneMethod(methods, request);
          if (result !== false) return finish(request, result as MethodResult);
        }
      }
      request.fail(EOPNOTSUPP);
    },
  };
  return { target, answered() {} };
}

function requestHandler(target: RequestTarget): RequestHandler {
  const answered = (request: UblkRequest, answer: unknown): void => {
    if (answer instanceof Plan) carryOut(answer, request);
    else if (isPromise(answer)) follow(request, answer);
    else throw new TypeError(`handle() returned ${String(answer)}; it must return nothing, a promise, an operation or a plan`);
  };
  const completed = target.completed?.bind(target);
  return { target, answered, ...(completed === undefined ? {} : { completed }) };
}
