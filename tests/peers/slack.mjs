// An app of @slack/bolt over Socket Mode: mention, stream, edit, command, button, modal, home.
import bolt from "@slack/bolt";

const app = new bolt.App({
  token: process.env.SLACK_BOT_TOKEN,
  appToken: process.env.SLACK_APP_TOKEN,
  socketMode: true,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL, allowAbsoluteUrls: true },
  logLevel: "error",
});

app.event("app_mention", async ({ event, client }) => {
  const thread_ts = event.thread_ts ?? event.ts;
  const first = await client.chat.postMessage({
    channel: event.channel,
    thread_ts,
    text: "wait",
    unfurl_links: false,
    unfurl_media: false,
    metadata: { event_type: "peer", event_payload: { about: event.ts } },
  });
  await client.chat.update({
    channel: event.channel,
    ts: first.ts,
    text: "edited",
    blocks: [
      { type: "section", text: { type: "mrkdwn", text: "edited" } },
      { type: "actions", elements: [{ type: "button", action_id: "press", text: { type: "plain_text", text: "Press" }, value: "v" }] },
    ],
  });
  const start = await client.apiCall("chat.startStream", {
    channel: event.channel,
    thread_ts,
    recipient_team_id: event.team,
    recipient_user_id: event.user,
    chunks: JSON.stringify([{ type: "markdown_text", text: "str" }]),
  });
  await client.apiCall("chat.appendStream", {
    channel: event.channel,
    ts: start.ts,
    chunks: JSON.stringify([{ type: "markdown_text", text: "eam" }]),
  });
  await client.apiCall("chat.stopStream", { channel: event.channel, ts: start.ts });
  const replies = await client.conversations.replies({ channel: event.channel, ts: thread_ts, include_all_metadata: true });
  await client.chat.postMessage({ channel: event.channel, thread_ts, text: `seen ${replies.messages.length}` });
});

app.command("/ask", async ({ command, ack, respond }) => {
  await ack();
  await respond({ response_type: "ephemeral", text: `you asked ${command.text}` });
});

app.action("press", async ({ ack, body, client }) => {
  await ack();
  await client.views.open({
    trigger_id: body.trigger_id,
    view: {
      type: "modal",
      callback_id: "why",
      title: { type: "plain_text", text: "Why" },
      submit: { type: "plain_text", text: "Send" },
      blocks: [{ type: "input", block_id: "b", label: { type: "plain_text", text: "Reason" }, element: { type: "plain_text_input", action_id: "reason" } }],
    },
  });
});

app.view("why", async ({ ack, view, body, client }) => {
  await ack();
  const channel = (await client.conversations.open({ users: body.user.id })).channel.id;
  await client.chat.postMessage({ channel, text: `because ${view.state.values.b.reason.value}` });
});

app.event("app_home_opened", async ({ event, client }) => {
  if (event.tab === "home") {
    await client.views.publish({
      user_id: event.user,
      view: { type: "home", blocks: [{ type: "section", text: { type: "mrkdwn", text: "home" } }] },
    });
  }
});

app.error(async (error) => console.error(error));
await app.start();
console.log("ready");
