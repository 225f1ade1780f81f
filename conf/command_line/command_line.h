// The command line of the programs that run by themselves: lbd, lbdp and lbagent. CLI11 reads it;
// its header stays in this folder's source. (lbctl has commands, and its own in ctl/cli.)
//
// Thread: one.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::conf {

class CommandLine {
  public:
    struct Option {
        std::string name;   // "--run-dir"
        std::string value;  // what --help calls its value: "DIR"
        std::string help;
    };

    // `what` is what --help begins with, `examples` what it ends with.
    CommandLine(const std::string& program,
                const std::string& version,
                const std::string& what,
                const std::string& examples = "");
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    // `target` holds the default, gets what is given, and must live until read() is over.
    void add(const Option& option, std::string& target);
    void add(const Option& option, std::optional<unsigned>& target);
    // May be repeated.
    void add(const Option& option, std::vector<std::string>& target);
    // Takes no value.
    void add(const std::string& name, const std::string& help, bool& target);
    // `name` and any of the others may not be given together.
    void exclude(const std::string& name, std::initializer_list<const char*> others);

    // The program's exit code, if it ends here: 0 after --help and --version, 2 where the words
    // are wrong, which has been said on standard error.
    [[nodiscard]] std::optional<int> read(int argc, char** argv);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fairlead::conf
