// The configurations that are shipped: they parse, and the commented one shows every key that there
// is.
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "conf/schema/keys.h"
#include "conf/schema/parse.h"

namespace fairlead::conf {
namespace {

[[nodiscard]] std::string read(const std::string& name) {
    std::ifstream stream(std::string(CONF_FOLDER) + "/" + name);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

// Headings and keys that are commented out, taken in.
[[nodiscard]] std::string uncommented(const std::string& text) {
    return std::regex_replace(
        text, std::regex(R"((^|\n)([ ]*)# (\[+[a-z.]+\]+|[a-z_]+ = ))"), "$1$2$3");
}

// The keys in each table of `text`, by the table's heading.
[[nodiscard]] std::map<std::string, std::set<std::string>> keys_in(const std::string& text) {
    std::map<std::string, std::set<std::string>> result;
    std::istringstream stream(text);
    std::string heading;
    std::smatch match;
    for (std::string line; std::getline(stream, line);) {
        if (std::regex_search(line, match, std::regex(R"(^ *\[+([a-z.]+)\]+)"))) {
            heading = match[1];
        } else if (std::regex_search(line, match, std::regex(R"(^ *([a-z_]+) = )"))) {
            result[heading].insert(match[1]);
        }
    }
    return result;
}

template <typename Target>
[[nodiscard]] std::set<std::string> names(std::span<const Key<Target>> keys) {
    std::set<std::string> result;
    for (const Key<Target>& key : keys) {
        result.emplace(key.info.name);
    }
    return result;
}

TEST(ConfFiles, TheCommentedConfigurationParses) {
    const auto result = load_config(CONF_FOLDER "/fairlead.toml");
    EXPECT_TRUE(result) << describe(result.error());
}

TEST(ConfFiles, TheCommentedConfigurationParsesWithEveryExampleTakenIn) {
    const auto result = parse_config(uncommented(read("fairlead.toml")), "uncommented");
    ASSERT_TRUE(result) << describe(result.error());
    EXPECT_EQ(result->ports.size(), 2U);
}

TEST(ConfFiles, TheCommentedConfigurationShowsEveryKey) {
    const auto shown = keys_in(uncommented(read("fairlead.toml")));
    EXPECT_EQ(shown.at("node"), names(node_keys()));
    EXPECT_EQ(shown.at("engine"), names(engine_keys()));
    EXPECT_EQ(shown.at("port"), names(port_keys()));
    EXPECT_EQ(shown.at("api"), names(api_keys()));
    EXPECT_EQ(shown.at("service"), names(service_keys()));
    EXPECT_EQ(shown.at("defaults"), names(defaults_keys()));
    EXPECT_EQ(shown.at("service.limits"), names(limits_keys()));
    EXPECT_EQ(shown.at("service.backend"), names(backend_keys()));
    std::set<std::string> health = shown.at("defaults.health");
    health.insert(shown.at("service.health").begin(), shown.at("service.health").end());
    EXPECT_EQ(health, names(health_keys()));
}

TEST(ConfFiles, TheLendingPlatformParses) {
    const auto result = load_config(CONF_FOLDER "/lending.toml");
    ASSERT_TRUE(result) << describe(result.error());
    std::set<std::string> services;
    for (const ServiceConfig& service : result->services) {
        services.insert(service.name);
        EXPECT_GE(service.backends.size(), 2U) << service.name;
    }
    EXPECT_EQ(services,
              (std::set<std::string>{"credit-score",
                                     "notifications",
                                     "notifications-v6",
                                     "payments",
                                     "portal",
                                     "portal-v6",
                                     "public-api",
                                     "public-api-v6"}));
}

template <typename Target>
void expect_sound(std::span<const Key<Target>> keys) {
    for (const Key<Target>& key : keys) {
        EXPECT_TRUE(key.info.help.ends_with('.')) << key.info.name;
        EXPECT_LE(key.info.min, key.info.max) << key.info.name;
        EXPECT_FALSE(key.info.is_required && !key.info.default_text.empty()) << key.info.name;
        if (!key.info.default_text.empty()) {
            Target target;
            key.store(target, default_value(key.info));  // an impossible default ends the test here
        }
    }
}

TEST(Keys, EveryKeyHasHelpBoundsAndAPossibleDefault) {
    expect_sound(node_keys());
    expect_sound(engine_keys());
    expect_sound(port_keys());
    expect_sound(api_keys());
    expect_sound(health_keys());
    expect_sound(service_keys());
    expect_sound(limits_keys());
    expect_sound(backend_keys());
}

}  // namespace
}  // namespace fairlead::conf
