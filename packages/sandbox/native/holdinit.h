/* holdinit: the first process of every sandbox. docs/formats/holdinit.md has its flags, its frames and its promises. */
#ifndef HOLDINIT_H
#define HOLDINIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define PROTOCOL_VERSION 1u
#define WORD_BYTES 32u /* each side proves itself with one of the two words of the nonce */
#define HEADER_BYTES 12u
#define PAYLOAD_BYTES_MAX 65536u
#define OUTPUT_BYTES_MAX (65536u - HEADER_BYTES) /* with its header one read of the host's event loop */
#define INPUT_WINDOW_BYTES 65536u
#define REQUEST_BYTES_MAX (4u << 20) /* of a command; the kernel itself refuses above 2 MiB */
#define CHANNELS_MAX 512
#define MARKER_BYTES_MAX 63u
#define DRAIN_MS 1000u

/* Numbers on the wire are little-endian; so is every machine this is built for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are copied as they lie in memory");

enum frame_type {
  /* from the host */
  F_HELLO = 1, F_EXEC, F_INPUT, F_CREDIT, F_RESIZE, F_SIGNAL, F_KILL, F_RELEASE, F_ATTACH, F_LIST, F_CONNECT, F_EXTEND,
  F_ANSWER,
  /* to the host */
  F_WELCOME = 64, F_STARTED, F_FAILED, F_OUTPUT, F_OUTPUT_END, F_INPUT_CREDIT, F_INPUT_CLOSED, F_ENDED, F_LISTED,
  F_EXTENDED, F_CALL,
};

/* What could not be done for a command or a connection; F_FAILED tells it beside the errno. */
enum step { S_REQUEST, S_TABLE, S_PIPES, S_TERMINAL, S_FORK, S_LIMITS, S_USER, S_CAPABILITIES, S_DIRECTORY, S_PROGRAM,
  S_CONNECT };

/* A descriptor in the event loop. Its owner embeds it; `ready` finds the owner by `owner`. */
struct source {
  int fd;
  void *owner;
  void (*ready)(struct source *source, uint32_t events);
};

enum channel_state { STARTING, RUNNING, ENDED, FAILED };

/* A command, or a connection to a port: an input, up to two outputs, credit. Freed at the end of a turn of the loop. */
struct channel {
  struct channel *next;
  uint32_t id;
  bool is_stream, is_terminal, dead;
  enum channel_state state;
  /* of a terminal and of a connection `input` and `output[0]` are the same descriptor */
  struct source input, output[2], report;
  bool readable[2];
  /* of the output, in bytes; only an attached channel says anything */
  bool attached, told_start, told_end, told_output_end, told_input_closed;
  uint32_t credit;
  uint64_t sent;
  /* after the end of a command: when to stop waiting, then how much of each output is still sent */
  uint64_t drain_until_ms;
  bool is_cut;
  int cut_left[2];
  uint8_t *waiting; /* input that its reader has not taken, of INPUT_WINDOW_BYTES */
  size_t waiting_head, waiting_length;
  uint32_t owed; /* input taken and not yet credited */
  bool input_ending;
  uint16_t port;
  bool is_second_address;
  pid_t keeper, pid;
  uint8_t how, value; /* of the end: 0 exit code, 1 signal; of a failure: the step */
  uint32_t error;
  char marker[MARKER_BYTES_MAX + 1];
};

struct options {
  const char *control, *guest, *nonce;
  uint64_t deadline_ms;
  uid_t uid;
  gid_t gid;
  bool allow_root;
  enum { PEER_OUTSIDE, PEER_OWN, PEER_ANY } peer;
  const char *oom_score;
  struct rlimit files; /* as holdinit was started with: its own is raised */
};

/* How a command is to be run. Strings lie in the request's bytes. */
struct command {
  uint32_t limits;
  const uint8_t *limit; /* u32 resource, u64 soft, u64 hard, each */
  bool is_root, is_terminal;
  const char *directory;
  char **argv, **environment;
};

/* What a keeper tells holdinit. */
struct report {
  uint8_t kind, how, value, unused;
  int32_t number;
};
enum report_kind { R_STARTED = 1, R_FAILED, R_ENDED };

extern struct options options;
extern struct channel *channels;

/* main.c */
uint64_t boot_ms(void);
void watch(struct source *source, uint32_t events);
void close_source(struct source *source);
void set_deadline(uint64_t at_ms);
uint64_t deadline(void);
void report_start_failure(const char *what) __attribute__((noreturn));
int listen_at(const char *path, int backlog, mode_t mode);

/* control.c */
void control_read_nonce(void);
void control_open(void);
bool control_work(void);
bool control_flush(void);
bool control_connected(void);
bool out_has_room(void);
uint8_t *out_space(size_t bytes);
void out_output(struct channel *channel, uint8_t stream, size_t bytes);
void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t bytes);

/* channel.c */
struct channel *channel_find(uint32_t id);
struct channel *channel_new(uint32_t id);
bool channels_pump(void);
void channels_sweep(void);
uint64_t channels_next_ms(void);
void channel_ready(struct source *source, uint32_t events);
bool channel_input(struct channel *channel, const uint8_t *bytes, size_t length, bool is_end);
void channel_fail(struct channel *channel, enum step step, int error);
void channel_release(struct channel *channel);
void channels_detach(void);
void stream_connect(struct channel *channel);
void terminal_resize(struct channel *channel, uint16_t columns, uint16_t rows);

/* command.c */
void command_start(struct channel *channel, const uint8_t *request, size_t length);
void command_take_report(struct channel *channel);
void keeper_ended(pid_t pid);

/* confine.c */
void confine_self(void);
int confine_command(const struct command *command, uint8_t *step);
void kill_below(pid_t session);

/* guest.c */
void guest_open(void);
void guest_answer(uint32_t call, uint8_t exit_code, const uint8_t *text, size_t length);
void guest_refuse_all(void);
uint64_t guest_next_ms(void);
void guest_sweep(void);
int hold_main(int argc, char **argv);

#endif
