import { COMMANDS, type CommandKind, TARGET_NAMES } from "./commands.ts";
import { TOPICS } from "./topics.ts";

/** What completes a command's words: a fixed list, the devices that there are, or files. */
export interface WordsOf {
  readonly list: readonly string[];
  readonly devices: boolean;
  readonly files: boolean;
}

/** What the words of a command may be. */
export function wordsOf({ words }: CommandKind): WordsOf {
  switch (words) {
    case "device":
    case "devices":
    case "device-or-all":
    case "device-and-size":
      return { list: [], devices: true, files: false };
    case "target":
      return { list: TARGET_NAMES, devices: false, files: true };
    case "topic":
      return { list: [...COMMANDS.map(({ name }) => name), ...TOPICS.map(({ name }) => name)], devices: false, files: false };
    case "shell":
      return { list: ["bash", "zsh", "fish"], devices: false, files: false };
    case "none":
      return { list: [], devices: false, files: false };
  }
}

/** A command for a shell that prints the numbers of all devices. */
export const DEVICES = "ls /sys/class/ublk-char 2>/dev/null | sed 's/^ublkc//'";
