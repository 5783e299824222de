import { COMMANDS } from "./commands.ts";
import { commandHelp, overview, topicHelp } from "./help.ts";
import { TOPICS } from "./topics.ts";

const block = (text: string): string => `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;

/** `docs/cli.md`: everything that the command says of itself. */
export function manual(): string {
  const commands = COMMANDS.map((kind) => `### ${kind.name}\n\n${block(commandHelp(kind))}`);
  const topics = TOPICS.filter(({ text }) => text !== "").map((topic) => {
    const [, ...rest] = topicHelp(topic).split("\n");
    return `### ${topic.title}\n\n${block(rest.join("\n").trim())}`;
  });
  return `# The command

This page is what \`uring-ublk help manual\` prints; a test compares the two. [admin.md](admin.md) is about running disks: systemd, udev, dangers.

${block(overview())}
## Commands

${commands.join("\n")}
## Topics

${topics.join("\n")}`;
}
