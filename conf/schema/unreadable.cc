#include "conf/schema/unreadable.h"

#include <fmt/format.h>

namespace fairlead::conf {

namespace {

// Walks TOML text token by token, as far as telling strings and comments from the rest takes
// (TOML 1.0, "Comment", "Keys", "String"). Text that is not TOML may be told apart wrongly from the
// first mistake on; the library ends there too.
class Scanner {
  public:
    explicit Scanner(std::string_view text) noexcept : text_(text) {}

    [[nodiscard]] std::optional<Unreadable> find() {
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
            at_ = kByteOrderMark.size();
        }
        unsigned dots = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            switch (c) {
                case '#':
                    skip_comment();
                    break;
                case '"':
                case '\'':
                    skip_string(c);
                    if (is_misplaced_) {
                        return misplaced();
                    }
                    break;
                case '.':
                    ++dots;
                    if (dots >= kMaxKeyParts) {
                        return Unreadable{here(),
                                          fmt::format("a key of more than {} parts", kMaxKeyParts)};
                    }
                    ++at_;
                    break;
                case '\n':
                    next_line();
                    dots = 0;
                    break;
                case '=':
                case ',':
                case '[':
                case ']':
                case '{':
                case '}':
                    dots = 0;
                    ++at_;
                    break;
                default:
                    if (is_beyond_ascii(c)) {
                        return misplaced();
                    }
                    ++at_;
            }
        }
        return std::nullopt;
    }

  private:
    [[nodiscard]] static bool is_beyond_ascii(char c) noexcept {
        return (static_cast<unsigned char>(c) & 0x80U) != 0;
    }

    [[nodiscard]] Place here() const noexcept {
        return {line_, static_cast<std::uint32_t>(at_ - line_start_ + 1)};
    }

    [[nodiscard]] Unreadable misplaced() const {
        return {here(), "a character that may stand in quotation marks and comments only"};
    }

    void next_line() noexcept {
        ++at_;
        ++line_;
        line_start_ = at_;
    }

    void skip_comment() noexcept {
        while (at_ < text_.size() && text_[at_] != '\n') {
            ++at_;
        }
    }

    // At a backslash: how much goes with it. Not the end of a line, which is counted, nor what is
    // beyond ASCII, which is looked at by itself.
    [[nodiscard]] std::size_t backslash_bytes() const noexcept {
        return at_ + 1 < text_.size() && text_[at_ + 1] != '\n' && !is_beyond_ascii(text_[at_ + 1])
                   ? 2
                   : 1;
    }

    // At a quotation mark: to behind the end of the string that begins here.
    void skip_string(char quote) noexcept {
        const bool is_multiline =
            at_ + 2 < text_.size() && text_[at_ + 1] == quote && text_[at_ + 2] == quote;
        at_ += is_multiline ? 3 : 1;
        bool skips_white_space = false;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (skips_white_space && is_beyond_ascii(c)) {
                is_misplaced_ = true;
                return;
            }
            if (c == '\n') {
                if (!is_multiline) {
                    return;  // an error for the library
                }
                next_line();
            } else if (c == '\\' && quote == '"') {
                skips_white_space = is_multiline;
                at_ += backslash_bytes();
            } else if (c == quote && !is_multiline) {
                ++at_;
                return;
            } else if (c == quote && text_.substr(at_, 3) == std::string_view(triple(quote))) {
                at_ += 3;
                // Up to two more quotation marks belong to the string's text.
                for (int extra = 0; extra < 2 && at_ < text_.size() && text_[at_] == quote;
                     ++extra) {
                    ++at_;
                }
                return;
            } else {
                ++at_;
            }
        }
    }

    [[nodiscard]] static std::string_view triple(char quote) noexcept {
        return quote == '"' ? R"(""")" : "'''";
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
    std::size_t line_start_ = 0;
    bool is_misplaced_ = false;
};

}  // namespace

std::optional<Unreadable> find_unreadable(std::string_view text) {
    return Scanner(text).find();
}

}  // namespace fairlead::conf
