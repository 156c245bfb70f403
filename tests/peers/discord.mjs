// A client of discord.js: commands, a deferred answer, edits, follow-ups, a button, a modal, a reply to a mention.
import {
  ActionRowBuilder, ButtonBuilder, ButtonStyle, Client, Events, GatewayIntentBits, MessageFlags,
  ModalBuilder, Partials, SlashCommandBuilder, TextInputBuilder, TextInputStyle,
} from "discord.js";

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages],
  partials: [Partials.Channel, Partials.Message],
  rest: { api: process.env.DISCORD_API_URL.replace(/\/v10$/, ""), version: "10" },
});

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([
    new SlashCommandBuilder().setName("ask").setDescription("Ask").addStringOption((o) => o.setName("question").setDescription("q").setRequired(true)),
  ]);
  console.log("ready");
});

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isChatInputCommand()) {
    await interaction.deferReply({ flags: MessageFlags.Ephemeral });
    const row = new ActionRowBuilder().addComponents(new ButtonBuilder().setCustomId("press").setLabel("Press").setStyle(ButtonStyle.Secondary));
    await interaction.editReply({ content: `you asked ${interaction.options.getString("question")}`, components: [row] });
    await interaction.followUp({ content: "more", flags: MessageFlags.Ephemeral });
  } else if (interaction.isButton()) {
    const modal = new ModalBuilder().setCustomId("why").setTitle("Why").addComponents(
      new ActionRowBuilder().addComponents(new TextInputBuilder().setCustomId("reason").setLabel("Reason").setStyle(TextInputStyle.Short)),
    );
    await interaction.showModal(modal);
  } else if (interaction.isModalSubmit()) {
    await interaction.reply({ content: `because ${interaction.fields.getTextInputValue("reason")}`, flags: MessageFlags.Ephemeral });
  }
});

client.on(Events.MessageCreate, async (message) => {
  if (message.author.bot || !message.mentions.has(client.user)) return;
  const sent = await message.reply({ content: "wait", allowedMentions: { parse: [] } });
  await sent.edit({ content: "edited", allowedMentions: { parse: [] } });
});

client.on("error", (error) => console.error(error));
await client.login(process.env.DISCORD_TOKEN);
