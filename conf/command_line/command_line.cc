#include "conf/command_line/command_line.h"

#include <CLI/CLI.hpp>

namespace fairlead::conf {

namespace {

constexpr int kUsage = 2;

}  // namespace

struct CommandLine::State {
    CLI::App app;
};

CommandLine::CommandLine(const std::string& program,
                         const std::string& version,
                         const std::string& what,
                         const std::string& examples)
    : state_(std::make_unique<State>()) {
    state_->app.name(program);
    state_->app.description(what);
    state_->app.footer(examples);
    state_->app.set_version_flag("--version", program + " " + version);
}

CommandLine::~CommandLine() = default;

void CommandLine::add(const Option& option, std::string& target) {
    state_->app.add_option(option.name, target, option.help)
        ->type_name(option.value)
        ->capture_default_str();
}

void CommandLine::add(const Option& option, std::optional<unsigned>& target) {
    state_->app.add_option(option.name, target, option.help)->type_name(option.value);
}

void CommandLine::add(const Option& option, std::vector<std::string>& target) {
    state_->app.add_option(option.name, target, option.help)->type_name(option.value);
}

void CommandLine::add(const std::string& name, const std::string& help, bool& target) {
    state_->app.add_flag(name, target, help);
}

void CommandLine::exclude(const std::string& name, std::initializer_list<const char*> others) {
    CLI::Option* const option = state_->app.get_option(name);
    for (const char* const other : others) {
        option->excludes(other);
    }
}

std::optional<int> CommandLine::read(int argc, char** argv) {
    try {
        state_->app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return state_->app.exit(error) == 0 ? 0 : kUsage;
    }
    return std::nullopt;
}

}  // namespace fairlead::conf
