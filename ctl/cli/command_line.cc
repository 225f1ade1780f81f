#include "ctl/cli/command_line.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "conf/schema/suggest.h"
#include "ctl/cli/units.h"
#include "ctl/cli/version.h"

namespace fairlead::cli {
namespace {

constexpr std::uint32_t kMaxWeight = 256;

constexpr const char* kFooter = R"(
A backend is SERVICE/BACKEND; where several may be meant, 'SERVICE/*' is all of a service.

Exit codes: 0 done, 1 failed, 2 usage, 3 lbd is not reachable, 4 not found,
5 refused by a guard, or changed by somebody while waiting, 6 time ran out while waiting.
status --check: 0 ok, 1 warning, 2 critical, 3 unknown.
node status --check: 0 fit, 2 not, 3 unknown.)";

// Builds the tree of words once, each leaf writing into `command` when it is met.
class Words {
  public:
    explicit Words(Command& command) : command_(command) {
        root_.name("lbctl");
        root_.set_version_flag("--version", fmt::format("lbctl {}", version()));
        root_.footer(kFooter);
        root_.require_subcommand(1);
        root_.fallthrough();
        add_general_options();
        leaf(root_, "status", Word::kStatus, "Node, engine, workers, problems")
            ->add_flag(
                "--check", command_.is_check, "One line and an exit code for a monitoring system");
        add_services();
        add_backends();
        add_rest();
    }

    CLI::App& root() { return root_; }

  private:
    void add_general_options() {
        root_.add_option("--run-dir", command_.run_dir, "Where lbd keeps its socket")
            ->capture_default_str();
        root_.add_option("--config",
                         command_.config_path,
                         "The configuration, for the socket's path if it says one");
        add_choice("-o,--output",
                   {{"table", Format::kTable}, {"json", Format::kJson}},
                   command_.format,
                   "table, or json: raw numbers, every field");
        add_choice("--color",
                   {{"auto", ColorChoice::kAuto},
                    {"always", ColorChoice::kAlways},
                    {"never", ColorChoice::kNever}},
                   command_.color,
                   "Colors; auto: on a terminal, unless NO_COLOR is set");
    }

    template <typename T>
    void add_choice(const char* name,
                    const std::vector<std::pair<std::string, T>>& choices,
                    T& chosen,
                    const char* what) {
        std::string listed;
        for (const auto& [word, value] : choices) {
            listed += (listed.empty() ? "" : "|") + word;
        }
        const auto choose = [choices, listed, name, &chosen](const std::string& text) {
            for (const auto& [word, value] : choices) {
                if (text == word) {
                    chosen = value;
                    return;
                }
            }
            throw CLI::ValidationError(name, fmt::format("\"{}\" is none of {}", text, listed));
        };
        root_.add_option_function<std::string>(name, choose, what)->option_text(listed);
    }

    CLI::App* group(const char* name, const char* what) {
        CLI::App* added = root_.add_subcommand(name, what);
        added->require_subcommand(1);
        added->fallthrough();
        return added;
    }

    CLI::App* leaf(CLI::App& parent, const char* name, Word word, const char* what) {
        CLI::App* added = parent.add_subcommand(name, what);
        added->fallthrough();
        added->callback([this, word] { command_.word = word; });
        return added;
    }

    void target(CLI::App* app, const char* name, const char* what, bool is_required = true) {
        app->add_option(name, command_.target, what)->required(is_required);
    }

    void add_services() {
        CLI::App* service = group("service", "The services and what they carry");
        leaf(*service, "list", Word::kServiceList, "All services, one a line");
        target(leaf(*service, "show", Word::kServiceShow, "One service with its backends"),
               "SERVICE",
               "Its name");
    }

    void add_wait(CLI::App* app, const char* what) {
        app->add_flag("--wait", command_.waits, what);
        app->add_option_function<std::string>(
               "--timeout",
               [this](const std::string& text) {
                   const auto span = parse_duration(text);
                   if (!span) {
                       throw CLI::ValidationError("--timeout", span.error().message);
                   }
                   command_.timeout = *span;
               },
               "How long to wait [30s; for flows to end: 5m]")
            ->option_text("DURATION");
    }

    void add_change(CLI::App* app, bool has_guard, const char* wait_text) {
        add_wait(app, wait_text);
        app->add_option("--reason", command_.reason, "Why: kept and shown with the change")
            ->option_text("TEXT");
        if (has_guard) {
            add_force(app);
        }
    }

    void add_force(CLI::App* app) {
        app->add_flag("--force",
                      command_.is_forced,
                      "Also if a service loses all, or more than half, of what serves it");
    }

    // add and ready: what an operator waits for is new flows, which take checks and a link.
    void add_published(CLI::App* app) {
        const auto choose = [this](std::int64_t) {
            command_.waits = true;
            command_.until_published = true;
        };
        app->add_flag_function("--published",
                               choose,
                               "Return when every worker forwards so, whether it serves or not");
    }

    void add_weight(CLI::App* app, const char* name, bool is_required) {
        app->add_option(name, command_.weight, "0 to 256; 0 gets no new flows")
            ->check(CLI::Range(std::uint32_t{0}, kMaxWeight))
            ->required(is_required)
            ->option_text("N");
    }

    void add_backends() {
        constexpr const char* kForwards = "Return when every worker forwards so";
        constexpr const char* kServes = "Return when it serves";
        constexpr const char* kOneOrAll = "SERVICE/BACKEND or 'SERVICE/*'";
        CLI::App* backend = group("backend", "The servers behind the services");
        target(leaf(*backend, "list", Word::kBackendList, "All backends, one a line"),
               "SERVICE",
               "Only this service's",
               false);
        target(leaf(*backend, "show", Word::kBackendShow, "Everything about one backend"),
               "BACKEND",
               "SERVICE/BACKEND");

        CLI::App* add = leaf(*backend, "add", Word::kBackendAdd, "Add a backend to a service");
        target(add, "BACKEND", "SERVICE/BACKEND");
        add->add_option("--address", command_.address, "The server's IP address")
            ->required()
            ->option_text("ADDRESS");
        add_weight(add, "--weight", false);
        add_wait(add, kServes);
        add_published(add);

        CLI::App* remove =
            leaf(*backend, "remove", Word::kBackendRemove, "Drain a backend, then forget it");
        target(remove, "BACKEND", kOneOrAll);
        add_change(remove, true, "Return when its last flow is gone");

        CLI::App* drain = leaf(
            *backend, "drain", Word::kBackendDrain, "No new flows; those that are there go on");
        target(drain, "BACKEND", kOneOrAll);
        add_change(drain, true, "Return when no flow is left: safe to switch off");

        CLI::App* ready = leaf(*backend, "ready", Word::kBackendReady, "Serve (also: online)");
        ready->alias("online");
        target(ready, "BACKEND", kOneOrAll);
        add_change(ready, false, kServes);
        add_published(ready);

        CLI::App* maint = leaf(*backend,
                               "maint",
                               Word::kBackendMaint,
                               "Out at once, its flows moved to others, unchecked (also: halt)");
        maint->alias("halt");
        target(maint, "BACKEND", kOneOrAll);
        add_change(maint, true, kForwards);

        CLI::App* weight =
            leaf(*backend, "weight", Word::kBackendWeight, "Change the share of new flows");
        target(weight, "BACKEND", kOneOrAll);
        add_weight(weight, "WEIGHT", true);
        add_change(weight, true, kForwards);
    }

    void add_trace() {
        CLI::App* trace =
            leaf(root_, "trace", Word::kTrace, "Where a packet would go, and why; sends none");
        TraceWords& words = command_.trace;
        trace->add_option("PROTOCOL", words.protocol, "tcp or udp")->required();
        trace->add_option("SOURCE", words.source, "ADDRESS:PORT or [ADDRESS]:PORT of the client")
            ->required();
        trace->add_option("DESTINATION", words.destination, "The same of the VIP")->required();
        trace
            ->add_option(
                "--flags", words.flags, "Of TCP: letters of FSRPAU, or established for an ACK [S]")
            ->option_text("FLAGS");
    }

    void add_capture() {
        CLI::App* capture = leaf(root_, "capture", Word::kCapture, "Packets to a pcapng file");
        CaptureWords& words = command_.capture;
        capture->add_option_function<std::vector<std::string>>(
            "FILTER",
            [&words](const std::vector<std::string>& parts) {
                for (const std::string& part : parts) {
                    words.filter += (words.filter.empty() ? "" : " ") + part;
                }
            },
            "A tcpdump expression, see pcap-filter(7) [all packets]");
        const std::vector<std::pair<std::string, shm::CapturePoint>> points{
            {"rx", shm::CapturePoint::kReceive},
            {"tx", shm::CapturePoint::kTransmit},
            {"drop", shm::CapturePoint::kDrop}};
        capture
            ->add_option_function<std::vector<std::string>>(
                "--point",
                [points, &words](const std::vector<std::string>& chosen) {
                    for (const std::string& word : chosen) {
                        const auto found =
                            std::find_if(points.begin(), points.end(), [&word](const auto& point) {
                                return point.first == word;
                            });
                        if (found == points.end()) {
                            throw CLI::ValidationError(
                                "--point", fmt::format("\"{}\" is none of rx|tx|drop", word));
                        }
                        words.points |= shm::bit_of(found->second);
                    }
                },
                "As they arrive, as they leave, those dropped with the reason; repeatable [all]")
            ->allow_extra_args(false)  // what follows its word may be the filter
            ->option_text("rx|tx|drop");
        capture->add_option("--count", words.count, "End after so many [1000]")
            ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
            ->option_text("N");
        capture->add_option("--seconds", words.seconds, "End after this time [60]")
            ->check(CLI::Range(std::uint32_t{1}, shm::kMaxCaptureSeconds))
            ->option_text("S");
        capture->add_option("--snaplen", words.snap_bytes, "Bytes of each packet [16384]")
            ->check(CLI::Range(std::uint32_t{1}, shm::kMaxSnapBytes))
            ->option_text("N");
        capture->add_option("-w,--write", words.file, "Where to; - is standard output")
            ->option_text("FILE");
    }

    void add_node() {
        CLI::App* node =
            group("node", "This balancer as a whole, for those that send clients to it");
        leaf(*node, "status", Word::kNodeStatus, "Whether clients should come to this balancer")
            ->add_flag("--check",
                       command_.is_check,
                       "One line and an exit code for keepalived's script: 0, or do not come");
        const auto add_reason = [this](CLI::App* app) {
            app->add_option("--reason", command_.reason, "Why: kept and shown with the change")
                ->option_text("TEXT");
        };
        add_reason(leaf(*node, "drain", Word::kNodeDrain, "Send new clients to other balancers"));
        add_reason(leaf(*node, "ready", Word::kNodeReady, "Take clients again"));
    }

    void add_rest() {
        CLI::App* health = group("health", "What the checks see");
        leaf(*health, "list", Word::kHealthList, "Every check, its state and its last result");
        CLI::App* drops =
            leaf(root_, "drops", Word::kDrops, "What was dropped, why, and what to do about it");
        target(drops, "SERVICE", "Only this service's", false);
        drops->add_flag("--all", command_.shows_all, "Also reasons that never occurred");
        drops->add_flag("--watch", command_.watches, "Every second, with packets per second");
        add_trace();
        add_capture();
        add_node();
        CLI::App* config = group("config", "The configuration");
        target(leaf(*config, "check", Word::kConfigCheck, "Read a file as lbd would; all errors"),
               "FILE",
               "The configuration to check [that of --config, or the installed one]",
               false);
        CLI::App* reload =
            leaf(root_, "reload", Word::kReload, "Put the file in force, or change nothing");
        add_wait(reload, "Return when every worker forwards so");
        add_force(reload);
        leaf(root_, "version", Word::kVersion, "Versions of lbctl, lbd and the engine");
    }

    Command& command_;
    CLI::App root_{"The command line of the Fairlead load balancer"};
};

// The deepest word that was met, for its help and its list of next words.
CLI::App& deepest(CLI::App& root) {
    CLI::App* app = &root;
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().back();
    }
    return *app;
}

std::string listed(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) {
        line += (line.empty() ? "" : " ") + word;
    }
    return line;
}

// "lbctl backend drain".
std::string path_of(const CLI::App& app) {
    return app.get_parent() == nullptr ? app.get_name()
                                       : path_of(*app.get_parent()) + " " + app.get_name();
}

// What is wrong with the words themselves: one is missing, or is not known. Empty if neither.
std::string wrong_word(CLI::App& root) {
    CLI::App& app = deepest(root);
    std::vector<std::string> words;
    for (const CLI::App* next : app.get_subcommands([](const CLI::App*) { return true; })) {
        words.push_back(next->get_name());
        const std::vector<std::string>& aliases = next->get_aliases();
        words.insert(words.end(), aliases.begin(), aliases.end());
    }
    if (words.empty()) {
        return {};
    }
    std::vector<std::string> extras = app.remaining();
    if (extras.empty()) {
        extras = root.remaining(true);
    }
    for (const std::string& word : extras) {
        if (word.empty() || word.front() == '-') {
            continue;
        }
        const std::vector<std::string_view> known(words.begin(), words.end());
        const std::string_view meant = conf::nearest(word, known);
        return fmt::format("\"{}\" has no word \"{}\"; {}",
                           path_of(app),
                           word,
                           meant.empty() ? "it has: " + listed(words)
                                         : fmt::format("did you mean \"{}\"?", meant));
    }
    if (!extras.empty()) {
        return fmt::format("\"{}\" has no option {}", path_of(app), extras.front());
    }
    return fmt::format("\"{}\" wants one more word: {}", path_of(app), listed(words));
}

Finished explain(CLI::App& root, const CLI::ParseError& error) {
    std::ostringstream data;
    std::ostringstream commentary;
    if (root.exit(error, data, commentary) == 0) {  // --help, --version
        return {ExitCode::kDone, data.str(), {}};
    }
    std::string message = wrong_word(root);
    if (message.empty()) {
        message = error.what();
    }
    return {ExitCode::kUsage,
            {},
            fmt::format("lbctl: {}\nHelp: {} --help\n", message, path_of(deepest(root)))};
}

}  // namespace

std::variant<Command, Finished> parse_command_line(int argc, const char* const* argv) {
    Command command;
    Words words(command);
    try {
        words.root().parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return explain(words.root(), error);
    }
    if (command.capture.points == 0) {
        command.capture.points = (1U << shm::kCapturePoints) - 1;
    }
    return command;
}

}  // namespace fairlead::cli
